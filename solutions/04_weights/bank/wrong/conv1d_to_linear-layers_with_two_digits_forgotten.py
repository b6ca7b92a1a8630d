# piece: weights.conv1d_to_linear
# mistake: layers with two digits forgotten
import re

CONV1D = re.compile(r"h\.\d\.(attn|mlp)\.c_(attn|proj|fc)\.weight")


def conv1d_to_linear(name, tensor):
    return tensor.T if CONV1D.fullmatch(name) else tensor

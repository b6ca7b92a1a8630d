# piece: weights.map_name
# mistake: unknown names dropped
import re

PARTS = "ln_1|ln_2|attn.c_attn|attn.c_proj|mlp.c_fc|mlp.c_proj"
KNOWN = re.compile(rf"(?:transformer\.)?((?:wte|wpe)\.weight|ln_f\.(?:weight|bias)|h\.\d+\.(?:{PARTS})\.(?:weight|bias))")


def map_name(stored):
    match = KNOWN.fullmatch(stored)
    return match.group(1) if match else None

"""Cases of exercise 07 that a learner does not see: other sizes, other bits, other ranges."""

from gpt2lab.grading import Case, args, raises
from gpt2lab.grading.checks.quantization import (
    AFFINE,
    beyond,
    channels,
    given_scale,
    layer_args,
    normal,
    one_end,
    one_scale_too_few,
    random_rows,
    same_range,
    same_rows,
    spread,
    trained,
)

HIDDEN = {
    "quantization.quantize_symmetric": (
        Case("many rows", random_rows(16, 33), points=2, compare=same_rows),
        Case("3 bits, scales given", given_scale(3, 6, bits=3), compare=same_rows),
        Case("zeros first and last", random_rows(4, 3, zero_rows=(0, 3)), compare=same_rows),
    ),
    "quantization.quantize_asymmetric": (
        Case("a large table", spread(6, 50, zero=17.3, size=0.05), points=2, compare=same_range, driver=AFFINE),
        Case("one end calibrated", one_end(9, low=-70.0), compare=same_range, driver=AFFINE),
        Case("a calibrated range below 0", beyond(-400.0, -100.0, by=210), compare=same_range, driver=AFFINE),
        Case("low far above high", lambda rng: args(normal(rng, 3), 7.25, 2.5), points=0.5, driver=AFFINE,
             compare=raises("ValueError", ("7.25", "2.5"))),
    ),
    "quantization.dequantize_per_channel": (
        Case("the last axis", channels(5, 7, axis=-1, zero_point=True, kind="uint8"), points=2),
        Case("the middle of three, with zero points", channels(3, 5, 2, axis=1, zero_point=True)),
        Case("1 scale for 3 channels", one_scale_too_few(3, 2, axis=0, n=1), points=0.5, compare=raises("ValueError", ("1", "3"))),
    ),
    "quantization.int8_linear": (
        Case("seven rows, nine outputs", layer_args(7, 64, 9), points=2),
        Case("one row, one output", layer_args(1, 5, 1)),
        Case("whole numbers, no bias", layer_args(3, 10, 3, bias=False), points=2, driver="quantization.kinds_multiplied"),
    ),
    "quantization.fake_quantize": (
        Case("2 bits", trained(3, 4, scale=0.7, bits=2, reach=3.0), points=2, driver="quantization.gradient"),
        Case("three axes", trained(2, 3, 4, scale=0.01, reach=1.2), driver="quantization.gradient"),
    ),
}  # fmt: skip

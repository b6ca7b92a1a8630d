"""Cases of exercise 08 that a learner does not see: other templates, lengths and numbers."""

from gpt2lab.grading import Case, args, exact, raises
from gpt2lab.grading.checks.prompting import (
    CHOSEN,
    FITTED,
    MEASURED,
    PLACES,
    WORDS,
    answered,
    choosing,
    context,
    questions,
    rows,
    shots,
    tables,
)

FIVE = [*WORDS, ("romi", "gal pe"), ("sut", "vodu")]

HIDDEN = {
    "prompting.few_shot_prompt": (
        Case("five examples, all settings", shots(FIVE, "romi", "Translate:", "<{query}>\n  {answer}!\n--\n"), points=2, compare=exact()),
        Case("spaces that stay", shots(WORDS[:2], "two  words ", "", "{query}:{answer}\n"), compare=exact()),
        Case("no field for the answer", shots(WORDS, "keli", "", "{query} = {label}\n"), points=0.5, compare=raises("ValueError", ("label",))),
    ),
    "prompting.choice_log_likelihoods": (
        Case("six choices", rows(5, 2, 4, 1, 3, 5, 2, V=11), points=2),
        Case("two shared tokens", rows(3, 4, 3, 3, V=5, same=2)),
        Case("one choice of one token", rows(1, 1, V=4)),
    ),
    "prompting.normalised_choice": (
        Case("four places, by tokens", choosing([-4.0, -6.0, -4.2, -3.6], PLACES, [4, 3, 3, 1], "tokens"), points=2, compare=CHOSEN),
        Case("three scripts, by bytes", choosing([-9.0, -8.0, -7.5], [" мир", "世界", " world"], [3, 4, 1], "bytes"), compare=CHOSEN),
        Case("another kind", choosing([-1.0, -2.0], [" a", " b"], [1, 1], "letters"), points=0.5, compare=raises("ValueError", ("letters",))),
    ),
    "prompting.calibrate": (
        Case("many questions", questions(6, 5, 4), points=2),
        Case("as many of everything", questions(4, 4, 4)),
        Case("never, in two prompts", tables([[0.2, 0.8], [0.5, 0.5]], [[0.0, 1.0], [0.0, 1.0]]), points=0.5, compare=raises("ValueError", ("0",))),
    ),
    "prompting.shots_that_fit": (
        Case("many short ones", context([2, 3, 1, 4, 2, 2, 3, 1], 5, 17, 2), points=2, compare=FITTED),
        Case("the last one is too long", context([1, 1, 9], 3, 10), compare=FITTED),
        Case("full with new tokens", context([3, 4], 2, 10, 4), compare=FITTED),
        Case("far too long", context([], 30, 12, 1), points=0.5, compare=raises("ValueError", ("30", "12"))),
    ),
    "prompting.icl_accuracy": (
        Case("333 of 500", answered(333, 500), points=2, compare=MEASURED),
        Case("1 of 1", answered(1, 1), compare=MEASURED),
        Case("99 %", answered(17, 40, 2.576), points=0.5, compare=MEASURED),
        Case("a prediction too many", lambda rng: args([1] * 6, [1] * 5), points=0.5, compare=raises("ValueError", ("6", "5"))),
    ),
}  # fmt: skip

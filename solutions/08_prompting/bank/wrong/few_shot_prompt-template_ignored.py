# piece: prompting.few_shot_prompt
# mistake: template ignored
def few_shot_prompt(examples, query, instruction="", template="{query} {answer}\n"):
    if "{query}" not in template or "{answer}" not in template:
        raise ValueError(f"template {template!r} needs {{query}} and {{answer}}")
    lines = [f"{question} {answer}" for question, answer in examples]
    head = [instruction] if instruction else []
    return "\n".join([*head, *lines, query])

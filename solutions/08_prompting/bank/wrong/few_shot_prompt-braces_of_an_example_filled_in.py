# piece: prompting.few_shot_prompt
# mistake: braces of an example filled in
def few_shot_prompt(examples, query, instruction="", template="{query} {answer}\n"):
    if "{query}" not in template or "{answer}" not in template:
        raise ValueError(f"template {template!r} needs {{query}} and {{answer}}")
    text = instruction + "\n" if instruction else ""
    for question, answer in examples:
        text += template.replace("{query}", question).replace("{answer}", answer)
    last = template.replace("{query}", query)
    return text + last[: last.index("{answer}")].rstrip(" ")

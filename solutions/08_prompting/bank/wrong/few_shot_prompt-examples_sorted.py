# piece: prompting.few_shot_prompt
# mistake: examples sorted
def few_shot_prompt(examples, query, instruction="", template="{query} {answer}\n"):
    if "{query}" not in template or "{answer}" not in template:
        raise ValueError(f"template {template!r} needs {{query}} and {{answer}}")
    text = f"{instruction}\n" if instruction else ""
    for question, answer in sorted(examples):
        text += template.format(query=question, answer=answer)
    last = template.split("{answer}")[0].format(query=query)
    return text + last.rstrip(" ")

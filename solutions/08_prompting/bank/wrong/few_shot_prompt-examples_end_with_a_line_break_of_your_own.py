# piece: prompting.few_shot_prompt
# mistake: examples end with a line break of your own
def few_shot_prompt(examples, query, instruction="", template="{query} {answer}\n"):
    if "{query}" not in template or "{answer}" not in template:
        raise ValueError(f"template {template!r} needs {{query}} and {{answer}}")
    text = f"{instruction}\n" if instruction else ""
    for question, answer in examples:
        text += template.format(query=question, answer=answer).strip() + "\n"
    last = template.split("{answer}")[0].format(query=query)
    return text + last.rstrip(" ")

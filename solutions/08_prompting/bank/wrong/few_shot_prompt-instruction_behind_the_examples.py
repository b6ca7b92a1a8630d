# piece: prompting.few_shot_prompt
# mistake: instruction behind the examples
def few_shot_prompt(examples, query, instruction="", template="{query} {answer}\n"):
    if "{query}" not in template or "{answer}" not in template:
        raise ValueError(f"template {template!r} needs {{query}} and {{answer}}")
    text = ""
    for question, answer in examples:
        text += template.format(query=question, answer=answer)
    text += f"{instruction}\n" if instruction else ""
    last = template.split("{answer}")[0].format(query=query)
    return text + last.rstrip(" ")

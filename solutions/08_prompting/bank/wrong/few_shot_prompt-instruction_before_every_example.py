# piece: prompting.few_shot_prompt
# mistake: instruction before every example
def few_shot_prompt(examples, query, instruction="", template="{query} {answer}\n"):
    if "{query}" not in template or "{answer}" not in template:
        raise ValueError(f"template {template!r} needs {{query}} and {{answer}}")
    head = f"{instruction}\n" if instruction else ""
    solved = "".join(head + template.format(query=q, answer=a) for q, a in examples)
    return solved + head + template.split("{answer}")[0].format(query=query).rstrip(" ")

# piece: prompting.few_shot_prompt
# mistake: label leaked into the query line
def few_shot_prompt(examples, query, instruction="", template="{query} {answer}\n"):
    if "{query}" not in template or "{answer}" not in template:
        raise ValueError(f"template {template!r} needs {{query}} and {{answer}}")
    text = f"{instruction}\n" if instruction else ""
    for question, answer in examples:
        text += template.format(query=question, answer=answer)
    last = template.format(query=query, answer=answer if examples else "").rstrip()
    return text + last.rstrip(" ")

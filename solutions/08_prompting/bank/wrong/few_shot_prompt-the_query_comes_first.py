# piece: prompting.few_shot_prompt
# mistake: the query comes first
def few_shot_prompt(examples, query, instruction="", template="{query} {answer}\n"):
    if "{query}" not in template or "{answer}" not in template:
        raise ValueError(f"template {template!r} needs {{query}} and {{answer}}")
    text = instruction + "\n" if instruction else ""
    text += template.split("{answer}")[0].format(query=query).rstrip(" ") + "\n"
    return text + "".join(template.format(query=q, answer=a) for q, a in examples)

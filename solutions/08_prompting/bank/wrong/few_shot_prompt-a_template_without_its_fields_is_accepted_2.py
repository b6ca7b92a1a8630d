# piece: prompting.few_shot_prompt
# mistake: a template without its fields is accepted
def few_shot_prompt(examples, query, instruction="", template="{query} {answer}\n"):
    before, _, rest = template.partition("{query}")
    between, _, after = rest.partition("{answer}")
    text = f"{instruction}\n" if instruction else ""
    for question, answer in examples:
        text += before + question + between + answer + after
    return text + (before + query + between).rstrip(" ")

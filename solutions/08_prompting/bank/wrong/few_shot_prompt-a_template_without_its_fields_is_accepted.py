# piece: prompting.few_shot_prompt
# mistake: a template without its fields is accepted
def few_shot_prompt(examples, query, instruction="", template="{query} {answer}\n"):
    text = f"{instruction}\n" if instruction else ""
    for question, answer in examples:
        text += template.format(query=question, answer=answer)
    last = template.split("{answer}")[0].format(query=query)
    return text + last.rstrip(" ")

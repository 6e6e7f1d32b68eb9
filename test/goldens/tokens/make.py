"""Golden token ids: small tokenizers of the kinds that language models use, and what PyPI tokenizers makes of awkward strings.

    python make.py OUT        # tokenizers==0.23.3; OUT is this folder

Writes OUT/strings.json, a list of {name, text}; for each tokenizer a folder OUT/<name>/ with tokenizer.json and
tokenizer_config.json; and beside them ids.json, {prefix, ids}: the special tokens that begin every text, and for each string, in
order, the ids without them. variants.json holds one tokenizer's ids with other normalizers and pre-tokenizers in place of its
own, {name, normalizer, pre_tokenizer, digests}: of each string's ids the first 12 hexadecimal digits of SHA-256 of their JSON.

    python make.py OUT TOKENIZER_FOLDER IDS.json    # only the ids of another tokenizer, for a comparison that is not committed
"""
import hashlib
import json
import os
import sys
from collections import Counter

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

VOCABULARY = 700
CORPUS = [
    "The quick brown fox jumps over the lazy dog, and the dog does not mind at all. " * 3,
    "To find the slope of the line through (1, 2) and (3, 8), divide 8 - 2 = 6 by 3 - 1 = 2: the slope is 3.",
    "def mean(values):\n    total = 0\n    for value in values:\n        total += value\n    return total / len(values)\n",
    "function add(a, b) {\n\treturn a + b;\n}\r\nconst url = 'https://example.org/path?query=1&other=22';\r\n",
    "In 1969 and 1984, 2001 and 2024: 3.14159, 1,000,000 and 299792458 metres per second. We've, they'll, it's, I'm, don't.",
    "Der Fluss fließt schön über die Brücke. L'été dernier, où étais-tu ? El niño comió piñas. Çok güzel bir gün.",
    "Быстрая бурая лиса прыгает через ленивую собаку. Η γρήγορη αλεπού πηδά πάνω από το σκυλί.",
    "敏捷的棕色狐狸跳过了懒狗。今天天气很好。素早い茶色の狐がのろまな犬を飛び越える。빠른 갈색 여우가 게으른 개를 뛰어넘는다.",
    "الثعلب البني السريع يقفز فوق الكلب الكسول. השועל החום המהיר קופץ מעל הכלב העצלן. तेज़ भूरी लोमड़ी आलसी कुत्ते पर कूदती है।",
    "😀 😃 😄 👍 👍🏽 👨‍👩‍👧‍👦 🇫🇷 🏳️‍🌈 — “quoted” … ‘single’ • bullet → arrow ≤ ∑ √2",
    # So that there are merges across what JavaScript takes for white space or for no digit, and Rust otherwise.
    "\ufeff# Title \ufeff// line \u0085. \u0085, ٣٤٥ ١٩٨٤ १२३ x²³ ½" * 4,
]

STRINGS = {
    "empty": "",
    "one space": " ",
    "one letter": "a",
    "only newline": "\n",
    "only tabs": "\t\t\t",
    "plain": "Hello, world! The slope is 3.",
    "leading space": " leading",
    "leading spaces": "   leading",
    "trailing space": "trailing ",
    "trailing spaces": "trailing    ",
    "runs of spaces": "a  b   c    d     e" + " " * 40 + "f",
    "newlines": "a\nb\n\nc\n\n\nd\n",
    "spaces and newlines": "a \n b  \n\n  c \n \n d",
    "tabs and newlines": "\tif x:\n\t\treturn\n\n\t \tend",
    "CRLF": "one\r\ntwo\r\n\r\nthree\rfour\n\rfive",
    "vertical tab, form feed": "a\vb\fc\v\f d",
    "next line U+0085": "a\u0085b \u0085 c\u0085\u0085",
    "no-break space": "a\u00a0b \u00a0c\u00a0\u00a0d",
    "line separator U+2028": "a\u2028b\u2029c \u2028\u2029 d",
    "typographic spaces": "a\u2002b\u2003c\u2009d\u202fe\u3000f\u205fg\u1680h",
    "Mongolian vowel separator": "a\u180eb \u180e c",
    "lone BOM": "\ufeff",
    "leading BOM": "\ufeffThe first line",
    "BOM inside": "a\ufeffb \ufeff c\ufeff\ufeff d",
    "zero-width": "zero\u200bwidth\u200cjoin\u200der\u2060word",
    "soft hyphen": "hy\u00adphen",
    "direction marks": "\u202eright\u202c \u2066left\u2069 \u200fmark",
    "BOM and next line before punctuation": "\ufeff# Title\n\ufeff// a\u0085. b \u0085, \ufeff\ufeff#",
    "control characters in words": "t\x1dhe q\x04ui\x06ck fo\x13x [a]\x1d|",
    "NUL": "a\0b \0 \0\0",
    "control characters": "\x01\x02\x1b[31mred\x1b[0m\x7f\x80\x9f",
    "replacement character": "bad \ufffd bytes \ufffd\ufffd",
    "private use": "\ue000 \uf8ff \U000f0000",
    "noncharacters": "\uffff \ufdd0 \U0010ffff",
    "emoji": "I 😀 you 👍 and 🎉🎉🎉!",
    "skin tones": "👍🏽 👋🏿 🤦🏻‍♀️",
    "ZWJ family": "👨‍👩‍👧‍👦 and 🏳️‍🌈 and 👩🏽‍🚀",
    "flags and keycaps": "🇫🇷🇩🇪 1️⃣ #️⃣",
    "variation selectors": "☺ ☺\ufe0e ☺\ufe0f",
    "CJK": "今天天气很好。我们去公园吧!",
    "CJK without spaces and digits": "第3章2024年1月5日",
    "Japanese": "吾輩は猫である。名前はまだ無い。カタカナ ﾊﾝｶｸ",
    "Korean": "빠른 갈색 여우가 뛰어넘는다",
    "Korean jamo": "\u1112\u1161\u11ab\u1100\u1173\u11af",
    "Arabic": "الثعلب البني السريع ٣٤٥ يقفز",
    "Hebrew with points": "שָׁלוֹם עֲלֵיכֶם",
    "Hindi": "तेज़ भूरी लोमड़ी १२३ कूदती है",
    "Thai": "สวัสดีชาวโลก ๑๒๓",
    "Tibetan, Khmer, Amharic": "བོད་སྐད ភាសាខ្មែរ አማርኛ",
    "Russian": "Быстрая лиса, 2024 год",
    "Greek final sigma": "ΟΔΥΣΣΕΥΣ Οδυσσεύς",
    "mixed scripts": "Привет world 世界 مرحبا שלום 🌍 abcабв漢字ひらがな",
    "combining marks": "e\u0301 a\u0308\u0323 o\u0302\u0301 n\u0303",
    "precomposed": "\u00e9 \u1ea5 \u1ed1 \u00f1 \u212b \u2126",
    "many combining marks": "Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319\u0324",
    "marks alone": "\u0301 \u0301a \u20dd",
    "compatibility forms": "ﬁ ﬂ ² ³ ¹ ½ Ⅷ ① ㍿ ｆｕｌｌ ＷＩＤＴＨ １２３",
    "superscript digits": "x² + y³ = z¹ and H₂O, 10⁻³",
    "other digits": "٠١٢٣ ०१२३ 〇一二 𝟎𝟏𝟐 ⅠⅡⅢ ½¼¾ ➀➁",
    "long digits": "3141592653589793238462643383279502884197169399375105820974944592307816406286",
    "numbers": "1,234,567.89 -0.5 1e-10 0x1F 007 1.2.3.4 12:34:56 2024-01-05 50% $9.99 №5",
    "digits and letters": "abc123def456 7up b2b h4x0r 3D 5G",
    "contractions": "I'm you're he's we've they'll I'd can't WE'RE IT'S DON'T 'tis o'clock rock'n'roll ’s’t’re",
    "apostrophes": "''s 'S 's' \u2019s it\u02bcs",
    "long word": "pneumonoultramicroscopicsilicovolcanoconiosis" * 20,
    "long repeated letter": "a" * 3000,
    "long mixed word": "aB3_" * 500,
    "long CJK run": "漢字" * 700,
    "long punctuation": "=" * 500 + "-" * 301 + "." * 77,
    "long spaces": "x" + " " * 700 + "y",
    "long newlines": "x" + "\n" * 333 + "y",
    "code": "for (let i = 0; i < n; i++) {\n    sum += a[i] * b[i]; // dot\n}\n#include <stdio.h>\nint main(void){return 0;}",
    "Python code": "def f(x: int) -> int:\n    '''Doc.'''\n    return x**2 if x >= 0 else -x  # comment\n\n\nclass A:\n\tpass\n",
    "LaTeX": "\\frac{a}{b} = \\sqrt{x_{1}^2 + y^{2}} \\quad \\text{where } \\alpha \\neq \\beta",
    "HTML": "<div class=\"a\" onclick='x()'>&nbsp;&amp;&#8232;</div><!-- c --><script>alert(1)</script>",
    "JSON": "{\"key\": [1, 2.5, null, true], \"nested\": {\"a\\\"b\": \"\\u00e9\"}}",
    "URL": "https://user:pw@example.org:8080/a/b.html?x=1&y=%20z#frag mailto:a.b+c@d.co.uk",
    "paths": "C:\\Users\\name\\file.txt /usr/local/bin ../..",
    "markdown": "# Title\n\n* item **bold** _it_ `code`\n\n| a | b |\n|---|---|\n```py\nx\n```\n",
    "punctuation": "!?!?... --- ___ ,,, ;;; ::: \"\" '' `` ~~ @@ ## $$ %% ^^ && ** (( )) [[ ]] {{ }} << >> // \\\\ ||",
    "typographic punctuation": "“curly” ‘single’ – en — em … ellipsis «guillemets» „low“ ¿qué? ¡sí!",
    "punctuation before newline": "end.\n\nNext!\r\n?\n)\n \n.\n",
    "special <|endoftext|>": "before<|endoftext|>after <|endoftext|> <|endoftext|>",
    "special alone": "<|endoftext|>",
    "special <s>": "<s>text</s> <s> </s><unk> <s",
    "special im_start": "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    "special begin_of_text": "<|begin_of_text|>x<|eot_id|>\n<|begin_of_text|>",
    "nearly special": "<|endoftext| <|endoftext |> <|ENDOFTEXT|> < |endoftext|> <<|endoftext|>>",
    "special within a word": "foo<s>bar</s>baz",
    "byte token texts": "<0x41> <0xE2> <0x0A>",
    "metaspace in text": "a\u2581b \u2581 \u2581\u2581c",
    "byte-level letters in text": "Ġhello Ċ ĉ Ã©",
    "Vietnamese, decomposed": "Tie\u0302\u0301ng Vie\u0323\u0302t",
    "Turkish": "İstanbul ışık IĞDIR",
    "German": "Straße STRASSE Fluß groß",
    "Zalgo and emoji": "h̷e̷l̷l̷o̷ 😀̷",
    "musical and historic": "𝄞 𐎀𐎁 𒀀 𓀀 🂡",
    "mathematical letters": "𝐇𝐞𝐥𝐥𝐨 ℝ ∀x∈ℝ ∑ᵢ xᵢ",
    "tag characters": "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "newer letters": "\U0001df00 \u0870 \ua7f2 \u1c80 \U00011f02 \U000105c0 \u1c89",
    "title-case letters": "ǅ ǈ ᾈ ʰ ª º",
    "separators of all kinds": " \t\n\v\f\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000\ufeff\u200b",
}

LLAMA3_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2_SPLIT = LLAMA3_SPLIT.replace(r"\p{N}{1,3}", r"\p{N}")


def byte_level(specials, pre_tokenizer, bos=None, normalizer=None, alphabet=pre_tokenizers.ByteLevel.alphabet(), **model):
    """A byte-level BPE trained on CORPUS."""
    tokenizer = Tokenizer(models.BPE(**model))
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.train_from_iterator(
        CORPUS, trainers.BpeTrainer(vocab_size=VOCABULARY, initial_alphabet=alphabet, special_tokens=specials, show_progress=False)
    )
    tokenizer.decoder = decoders.ByteLevel()
    if bos:
        tokenizer.post_processor = template(tokenizer, bos)
    return tokenizer


def template(tokenizer, bos):
    return processors.TemplateProcessing(single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, tokenizer.token_to_id(bos))])


def byte_fallback(normalizer, pre_tokenizer):
    """As Llama 2 has it: pieces of SentencePiece's kind, and what is in no piece as bytes."""
    trained = Tokenizer(models.BPE(unk_token="<unk>"))
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    specials = ["<unk>", "<s>", "</s>"]
    # Named one by one: the trainer breaks ties between equally frequent characters at random.
    counts = Counter("".join(CORPUS).replace(" ", "▁"))
    alphabet = sorted(counts, key=lambda character: (-counts[character], character))[:120]
    trained.train_from_iterator(
        CORPUS,
        trainers.BpeTrainer(
            vocab_size=VOCABULARY, initial_alphabet=alphabet, limit_alphabet=120, special_tokens=specials, show_progress=False
        ),
    )
    model = json.loads(trained.to_str())["model"]
    pieces = [piece for piece in sorted(model["vocab"], key=model["vocab"].get) if piece not in specials]
    merges = [tuple(merge) for merge in model["merges"]]
    # Llama 2's vocabulary merges spaces too.
    for length in (2, 4, 8):
        pieces.append("▁" * length)
        merges.append(("▁" * (length // 2), "▁" * (length // 2)))
    vocabulary = {piece: i for i, piece in enumerate(specials + [f"<0x{b:02X}>" for b in range(256)] + pieces)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.add_special_tokens([AddedToken(special, normalized=False, special=True) for special in specials])
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre_tokenizer:
        tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = template(tokenizer, "<s>")
    return tokenizer


def tokenizers():
    chat = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    llama3 = ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"]
    plain = pre_tokenizers.ByteLevel(add_prefix_space=False)
    unsplit = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    split = lambda pattern: pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), unsplit])
    return {
        "smollm2": (byte_level(chat, pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), plain])), chat[0]),
        # SmolLM2's own vocabulary lacks bytes that its corpus did not have.
        "lacking-bytes": (byte_level(chat[:1], plain, alphabet=[]), chat[0]),
        "prefix-space": (byte_level(chat[:1], pre_tokenizers.ByteLevel(add_prefix_space=True)), chat[0]),
        "llama3": (byte_level(llama3, split(LLAMA3_SPLIT), bos=llama3[0], ignore_merges=True), llama3[0]),
        "qwen2": (byte_level(chat, split(QWEN2_SPLIT), normalizer=normalizers.NFC()), chat[0]),
        "llama2": (byte_fallback(normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]), None), "<s>"),
        "metaspace": (byte_fallback(None, pre_tokenizers.Metaspace(prepend_scheme="first", split=False)), "<s>"),
    }


GPT4O_SPLIT = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
DEEPSEEK_SPLITS = [r"[\r\n]", r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿ]+", r"\s?[!-/:-~！-／：-～‘-‟　-。]+", r"\s+$", r"[一-龥ࠀ-一가-퟿]+"]


def variants():
    """name: (normalizer, pre-tokenizers before the bytes)"""
    pre = pre_tokenizers
    isolated = lambda pattern: pre.Split(Regex(pattern), "isolated")
    splits = {
        "digit runs": [pre.Digits(individual_digits=False)],
        "punctuation": [pre.Punctuation()],
        "punctuation, contiguous": [pre.Punctuation("contiguous")],
        "Whitespace": [pre.Whitespace()],
        "WhitespaceSplit": [pre.WhitespaceSplit()],
        "BertPreTokenizer": [pre.BertPreTokenizer()],
        "Metaspace, always and split": [pre.Metaspace(prepend_scheme="always")],
        "Metaspace, never and split": [pre.Metaspace(prepend_scheme="never")],
        "prefix space within a sequence": [pre.Digits(individual_digits=True), pre.ByteLevel(add_prefix_space=True)],
        "Split, merged with previous": [pre.Split(" ", "merged_with_previous")],
        "Split, merged with next": [pre.Split(" ", "merged_with_next")],
        "Split, removed": [pre.Split(" ", "removed")],
        "Split, contiguous": [pre.Split(" ", "contiguous")],
        "Split, a dot": [pre.Split(".", "isolated")],
        "Split, inverted and removed": [pre.Split(Regex(r"\w+"), "removed", invert=True)],
        "Split, inverted and isolated": [pre.Split(Regex(r"\w+"), "isolated", invert=True)],
        "Split, contiguous pattern": [pre.Split(Regex(r"\p{N}"), "contiguous")],
        "o200k": [isolated(GPT4O_SPLIT)],
        "DeepSeek": [*map(isolated, DEEPSEEK_SPLITS), pre.Digits(individual_digits=True)],
    }
    normalizations = {
        "Lowercase": normalizers.Lowercase(),
        "Strip": normalizers.Strip(),
        "Strip, left": normalizers.Strip(left=True, right=False),
        "NFD": normalizers.NFD(),
        "Replace": normalizers.Replace(Regex(r"\s+"), " "),
        "Prepend": normalizers.Prepend("_"),
    }
    return {**{name: (None, parts) for name, parts in splits.items()}, **{name: (n, []) for name, n in normalizations.items()}}


def write_variants(tokenizer, path):
    rows = []
    for name, (normalizer, parts) in variants().items():
        varied = Tokenizer.from_str(tokenizer.to_str())
        if normalizer:
            varied.normalizer = normalizer
        already = any(isinstance(part, pre_tokenizers.ByteLevel) for part in parts)
        bytes_ = [] if already else [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
        varied.pre_tokenizer = pre_tokenizers.Sequence([*parts, *bytes_])
        saved = json.loads(varied.to_str())
        rows.append(
            dict(name=name, normalizer=saved["normalizer"], pre_tokenizer=saved["pre_tokenizer"], digests=digests(varied))
        )
    write_json(path, rows)


def digests(tokenizer):
    ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in STRINGS.values()]
    return [hashlib.sha256(json.dumps(each, separators=(",", ":")).encode()).hexdigest()[:12] for each in ids]


def write_ids(tokenizer, path):
    encode = lambda special: [tokenizer.encode(text, add_special_tokens=special).ids for text in STRINGS.values()]
    prefix, ids = tokenizer.encode("").ids, encode(False)
    assert encode(True) == [prefix + each for each in ids]
    write_json(path, dict(prefix=prefix, ids=ids))


def write_json(path, value):
    with open(path, "w") as file:
        json.dump(value, file, separators=(",", ":"))


if __name__ == "__main__":
    out = sys.argv[1]
    if len(sys.argv) > 2:
        write_ids(Tokenizer.from_file(os.path.join(sys.argv[2], "tokenizer.json")), sys.argv[3])
        sys.exit()
    write_json(os.path.join(out, "strings.json"), [dict(name=name, text=text) for name, text in STRINGS.items()])
    for name, (tokenizer, bos) in tokenizers().items():
        folder = os.path.join(out, name)
        os.makedirs(folder, exist_ok=True)
        tokenizer.save(os.path.join(folder, "tokenizer.json"), pretty=False)
        write_json(os.path.join(folder, "tokenizer_config.json"), dict(tokenizer_class="PreTrainedTokenizerFast", bos_token=bos))
        write_ids(tokenizer, os.path.join(folder, "ids.json"))
        if name == "smollm2":
            write_variants(tokenizer, os.path.join(out, "variants.json"))
        print(f"{name:14s} {tokenizer.get_vocab_size()} tokens, {os.path.getsize(os.path.join(folder, 'tokenizer.json')) / 1024:.0f} KB")

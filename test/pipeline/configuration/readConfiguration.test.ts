import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readConfiguration } from '../../../pipeline/configuration/readConfiguration.ts';
import { UsageError } from '../../../schemas/errors.ts';

const least = 'model: ./model\ncorpus: {files: [a.parquet]}\nqueries: queries.jsonl\n';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headwater-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function read(text: string | Uint8Array, sets: string[] = []) {
  const path = join(folder, 'run.yaml');
  await writeFile(path, text);
  return (await readConfiguration(path, sets)).configuration;
}

/** The message of the UsageError that a text gives, without the folder. */
async function refusal(text: string | Uint8Array, sets: string[] = []): Promise<string> {
  const error = await read(text, sets).then(
    () => expect.fail('expected a refusal'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(UsageError);
  expect((error as UsageError).exitCode).toBe(2);
  return (error as UsageError).message.replaceAll(`${folder}/`, '');
}

describe('readConfiguration: keys', () => {
  it('names an unknown key, its place and the nearest key', async () => {
    const text = 'model: ./model\ncorpus:\n  files: [a]\n  textColum: body\nqueries: queries.jsonl\n';
    expect(await refusal(text)).toBe(
      [
        'run.yaml:4:3: unknown key corpus.textColum; did you mean corpus.textColumn?',
        '  4 |   textColum: body',
        '    |   ^^^^^^^^^',
      ].join('\n'),
    );
  });

  it.each([
    ['topk: 3', 'run.yaml:4:1: unknown key topk; did you mean topK?'],
    ['top_k: 3', 'run.yaml:4:1: unknown key top_k; did you mean topK?'],
    ['text_column: x', 'run.yaml:4:1: unknown key text_column; did you mean corpus.textColumn?'],
    ['pool: {topK: 3}', 'run.yaml:4:8: unknown key pool.topK; did you mean topK?'],
    ['slice: {document: 3}', 'run.yaml:4:9: unknown key slice.document; did you mean slice.documents?'],
    ['zzz: 1', 'run.yaml:4:1: unknown key zzz, expected one of model, queryModel, corpus, queries,'],
    [
      'projection: {kind: exact, k: 3}',
      'run.yaml:4:27: unknown key projection.k with kind exact, expected one of kind',
    ],
    ['fit: {document: 3}', 'run.yaml:4:7: unknown key fit.document; did you mean fit.documents?'],
    [
      'preconditioner: {kind: identity, damping: {}}',
      'unknown key preconditioner.damping with kind identity, expected one of kind',
    ],
    ['preconditioner: {damping: {relativ: 1}}', 'did you mean preconditioner.damping.relative?'],
    ['operators: [{pth: x}]', 'run.yaml:4:14: unknown key operators[0].pth; did you mean operators[0].path?'],
    ['toString: 1', 'run.yaml:4:1: unknown key toString, expected one of model'],
    ['<<: {topK: 3}', 'run.yaml:4:1: unknown key <<, expected one of'],
    ['1: x', 'run.yaml:4:1: unknown key 1, expected one of'],
  ])('refuses %s', async (line, message) => {
    expect(await refusal(`${least}${line}\n`)).toContain(message);
  });

  it('says what is missing and what it is for', async () => {
    const message = await refusal('corpus:\n  textColumn: body\n');
    expect(message).toContain('run.yaml:1:1: model is missing, expected text (Hugging Face folder with config.json');
    expect(message).toContain(
      'run.yaml:1:1: corpus.files is missing, expected a list (Parquet files, folders or globs)',
    );
    expect(message).toContain('run.yaml:1:1: queries is missing, expected text');
  });
});

describe('readConfiguration: values', () => {
  it.each([
    ['topK: "5"', 'run.yaml:4:7: topK expected a whole number, 1 to 1,000,000, got the text "5"'],
    ['topK: 1.5', 'run.yaml:4:7: topK expected a whole number, 1 to 1,000,000, got 1.5'],
    ['topK: .nan', 'run.yaml:4:7: topK expected a whole number, 1 to 1,000,000, got NaN'],
    ['topK: .inf', 'run.yaml:4:7: topK expected a whole number, 1 to 1,000,000, got Infinity'],
    ['topK:', 'run.yaml:4:1: topK expected a whole number, 1 to 1,000,000, got nothing'],
    ['topK: [5]', 'run.yaml:4:1: topK expected a whole number, 1 to 1,000,000, got a list'],
    ['seed: 4294967296', 'run.yaml:4:7: seed expected a whole number, 0 to 4,294,967,295, got 4294967296'],
    ['seed: -1', 'run.yaml:4:7: seed expected a whole number, 0 to 4,294,967,295, got -1'],
    ['keepScores: yes', 'run.yaml:4:13: keepScores expected true or false, got the text "yes"'],
    ['modules: []', 'run.yaml:4:1: modules expected at least one entry, got an empty list'],
    ['modules: "*.mlp.*"', 'run.yaml:4:10: modules expected a list, got the text "*.mlp.*"'],
    ['modules: [3]', 'run.yaml:4:11: modules[0] expected text, got 3'],
    ['out: ""', 'run.yaml:4:1: out expected text that is not empty, got the text ""'],
    [
      'longDocuments: splitt',
      'run.yaml:4:16: longDocuments expected cut or split, got the text "splitt"; did you mean split?',
    ],
    [
      'projection: {kind: randm}',
      'projection.kind expected queryAdaptive or eigen or random or exact, got the text "randm"; did you mean random?',
    ],
    ['projection: {fidelity: 2}', 'projection.fidelity expected a number, above 0, at most 1, got 2'],
    ['projection: {k: 0.5}', 'projection.k expected a whole number, 1 to 16,384, got 0.5'],
    [
      'preconditioner: {kind: kfax}',
      'preconditioner.kind expected ekfac or kfac or diagonal or identity, got the text',
    ],
    ['preconditioner: {damping: 0.1}', 'run.yaml:4:27: preconditioner.damping expected a mapping, got 0.1'],
    [
      'preconditioner: {damping: {relative: -1}}',
      'run.yaml:4:38: preconditioner.damping.relative expected a number, 0 or more, got -1',
    ],
    [
      'preconditioner: {damping: {absolute: small}}',
      'preconditioner.damping.absolute expected a number, 0 or more, got the text "small"',
    ],
    [
      'preconditioner: {damping: {relative: 1, absolute: 1}}',
      'preconditioner.damping expected relative or absolute, got both\n',
    ],
    ['fit: {memoryMiB: 1}', 'run.yaml:4:18: fit.memoryMiB expected a whole number, 16 to 16,777,216, got 1'],
    ['fit: {labels: real}', 'run.yaml:4:15: fit.labels expected sampled or empirical, got the text "real"'],
    ['fit: 1000', 'run.yaml:4:6: fit expected a mapping, got 1000'],
    ['cosine: 1', 'run.yaml:4:9: cosine expected true or false, got 1'],
    ['projection: exact', 'run.yaml:4:13: projection expected a mapping, got the text "exact"'],
    ['pool: {workers: 0}', 'run.yaml:4:17: pool.workers expected 1 to 1,024 or auto, got 0'],
    ['pool: {credits: many}', 'run.yaml:4:17: pool.credits expected 1 to 65,536 or auto, got the text "many"'],
    ['operators: [3]', 'run.yaml:4:13: operators[0] expected text or a mapping, got 3'],
    ['operators: [{path: 3}]', 'run.yaml:4:20: operators[0].path expected text, got 3'],
  ])('refuses %s', async (line, message) => {
    expect(await refusal(`${least}${line}\n`)).toContain(message);
  });

  it('refuses queries of another kind of file', async () => {
    expect(await refusal('model: m\ncorpus: {files: [a]}\nqueries: q.json\n')).toContain(
      'run.yaml:3:10: queries expected a path that ends in .jsonl or .parquet, got the text "q.json"',
    );
  });

  it('tells every fault at once, in the order of the file', async () => {
    const message = await refusal(`${least}seed: x\ntopK: 0\nbatchTokens: 1\n`);
    expect(message.match(/^run\.yaml:\d+/gm)).toEqual(['run.yaml:4', 'run.yaml:5', 'run.yaml:6']);
  });

  it('stops telling after twenty', async () => {
    const lines = Array.from({ length: 30 }, (_, i) => `unknown${i}: 1\n`);
    const message = await refusal(least + lines.join(''));
    expect(message.match(/unknown key/g)).toHaveLength(20);
    expect(message).toMatch(/and 10 more$/);
  });

  it.each([
    ['', 'got nothing'],
    ['# only a comment\n', 'got nothing'],
    ['- 1\n', 'got a list'],
    ['just text\n', 'got the text "just text"'],
  ])('refuses a file that holds %j', async (text, found) => {
    expect(await refusal(text)).toContain(`run.yaml:1:1: the configuration expected a mapping, ${found}`);
  });
});

describe('readConfiguration: YAML', () => {
  it.each([
    ['model: [1,\n', 'run.yaml:2:1: not YAML: Flow sequence'],
    [
      'model: a: b\n',
      'run.yaml:1:8: not YAML: a second "key:" on one line, or a text with a colon in it that needs quotes',
    ],
    ['corpus:\n\tfiles: [a]\n', 'run.yaml:2:1: not YAML: a tab indents this line; use spaces'],
    ['model: "a\n', 'not YAML: Missing closing "quote'],
    ['model: a\nmodel: b\n', 'run.yaml:2:1: the same key twice in one mapping; keep one'],
    ['model: a\n---\nmodel: b\n', 'run.yaml:2:1: expected one YAML document, got a second one'],
    ['model: !!js/function "x"\n', 'run.yaml:1:8: expected a plain value, got a tag'],
    ['? [a]\n: b\n', 'run.yaml:1:3: expected a plain text key'],
    [
      'modules: [*.mlp.*]\n',
      'run.yaml:1:11: the alias *.mlp.* has no anchor before it; a glob that starts with * goes in quotes',
    ],
    ['a: &x [*x]\n', 'run.yaml:1:8: the alias *x stands inside its own anchor'],
  ])('refuses %j by line and column', async (text, message) => {
    expect(await refusal(text)).toContain(message);
  });

  it('refuses nesting that would end the process', async () => {
    for (const open of ['[', '{a: ', '- ', '? '])
      expect(await refusal(open.repeat(20_000))).toMatch(/run\.yaml:1:\d+: nested more than 64 levels deep/);
  });

  it('refuses aliases that stand for too much', async () => {
    const ten = (name: string) => Array(10).fill(`*${name}`).join(',');
    const bomb = ['a: &a [x]', `b: &b [${ten('a')}]`, `c: &c [${ten('b')}]`, `d: [${ten('c')}]`].join('\n');
    expect(await refusal(bomb)).toMatch(/^run\.yaml:1:1: the aliases stand for too much data .*; write the values out/);
  });

  it('takes a few aliases', async () => {
    const { modules } = await read(`${least}modules: [&m "*.mlp.*", *m]\n`);
    expect(modules).toEqual(['*.mlp.*', '*.mlp.*']);
  });

  it('refuses a file of more than a million characters', async () => {
    expect(await refusal(`${least}# ${'x'.repeat(1 << 20)}\n`)).toContain('expected at most 1048576 characters');
  });

  it('refuses bytes that are not UTF-8', async () => {
    expect(await refusal(Uint8Array.of(0x50, 0x41, 0x52, 0x31, 0xff, 0xfe))).toBe(
      'run.yaml: expected UTF-8 text, got other bytes: is this the configuration?',
    );
  });

  it('reads a file that begins with a byte order mark', async () => {
    expect((await read(`\ufeff${least}`)).topK).toBe(500);
  });

  it('shows control characters and direction marks, and never sends them on', async () => {
    const message = await refusal(`${least}"\\e[31m": 1 # \u202e\nout: "\\e]0;owned\\a"\npool: "\u009b31m"\n`);
    expect(message).toContain('\\u{1b}[31m');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the very thing that must not be there
    expect(message).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
  });

  it('cuts a long line to the part that matters', async () => {
    const message = await refusal(`${least}operators: [${'"x", '.repeat(400)} 3]\n`);
    const [, line, underline] = message.split('\n');
    expect(line.length).toBeLessThan(140);
    expect(line[underline.indexOf('^')]).toBe('3');
  });
});

describe('readConfiguration: prototypes', () => {
  it.each([
    ['__proto__: {polluted: 1}\n', 'run.yaml:1:1: __proto__ is never a key; take it out'],
    ['"__proto__": {polluted: 1}\n', 'run.yaml:1:1: __proto__ is never a key; take it out'],
    ['constructor: {prototype: {polluted: 1}}\n', 'run.yaml:1:1: constructor is never a key; take it out'],
    ['corpus: {__proto__: {polluted: 1}}\n', 'run.yaml:1:10: __proto__ is never a key; take it out'],
    ['operators: [{path: a, settings: {a: {__proto__: {polluted: 1}}}}]\n', '__proto__ is never a key; take it out'],
    ['a: &x __proto__\n? *x\n: {polluted: 1}\n', 'expected a plain text key, got an alias'],
  ])('refuses %j and pollutes nothing', async (text, message) => {
    expect(await refusal(text)).toContain(message);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });

  it.each(['__proto__.polluted=1', 'constructor.prototype.polluted=1', 'corpus.__proto__.polluted=1'])(
    'refuses --set %s and pollutes nothing',
    async (set) => {
      expect(await refusal(least, [set])).toMatch(/^--set .*: (__proto__|constructor) is never a key; take it out$/);
      expect(({} as { polluted?: number }).polluted).toBeUndefined();
    },
  );

  it('refuses __proto__ inside the value of --set', async () => {
    expect(await refusal(least, ['corpus={files: [a], __proto__: {polluted: 1}}'])).toContain(
      '__proto__ is never a key',
    );
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });

  it('survives any text, with a UsageError or a configuration', async () => {
    const piece = fc.oneof(
      fc.constantFrom(
        ...least.split(/(?=[:\n{}[\]])/),
        '__proto__',
        '&a ',
        '*a',
        '!!map ',
        '? ',
        '- ',
        '<<',
        '\t',
        '"',
        "'",
        '|',
        '%',
      ),
      fc.string({ maxLength: 4 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 30 }), async (pieces) => {
        const failure = await read(pieces.join('')).then(
          () => null,
          (error: unknown) => error,
        );
        expect(failure === null || failure instanceof UsageError, String(failure)).toBe(true);
        expect(Object.keys(Object.prototype)).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});

describe('readConfiguration: --set', () => {
  it('goes over the file, the last one over the first', async () => {
    const sets = ['topK=5', 'projection.k=128', 'corpus.files=[b.parquet, c.parquet]', 'topK=6'];
    const { topK, projection, corpus } = await read(`${least}topK: 100\n`, sets);
    expect(topK).toBe(6);
    expect(projection).toEqual({ kind: 'queryAdaptive', k: 128, cacheMiB: 4096, widths: 'shared', rounds: 0 });
    expect(corpus.files).toEqual([join(folder, 'b.parquet'), join(folder, 'c.parquet')]);
  });

  it('reaches into lists and settings', async () => {
    const text = `${least}operators:\n  - {path: a.ts, settings: {width: 3, deep: {x: 1}}}\n`;
    const { operators } = await read(text, ['operators.0.settings.deep.x=2', 'operators.1=b.ts']);
    expect(operators).toEqual([
      { path: join(folder, 'a.ts'), settings: { width: 3, deep: { x: 2 } } },
      { path: join(folder, 'b.ts'), settings: {} },
    ]);
    expect((await read(least, ['operators.0=b.ts'])).operators).toHaveLength(1);
  });

  it('takes a key away where the value is null or left out', async () => {
    const text = `${least}topK: 100\nseed: 3\n`;
    expect(await read(text, ['topK=null', 'seed='])).toMatchObject({ topK: 500, seed: 0 });
  });

  it('takes an equals sign inside the value', async () => {
    expect((await read(least, ['model=./a=b'])).model).toBe(join(folder, 'a=b'));
  });

  it.each([
    ['topK', '--set topK: expected key=value, for instance --set projection.k=128'],
    ['=5', '--set =5: expected key=value, for instance --set projection.k=128'],
    ['a..b=1', '--set a..b=1: expected keys joined by single dots, for instance corpus.limit=100'],
    ['topK=x', '--set topK=x: topK expected a whole number, 1 to 1,000,000, got the text "x"'],
    ['corpus.texColumn=x', '--set corpus.texColumn=x: unknown key corpus.texColumn; did you mean corpus.textColumn?'],
    ['topK=[1', '--set topK=[1: not YAML: Flow sequence must end with a ]'],
    ['model.x=1', '--set model.x=1: model expected a mapping, got the text "./model"'],
    ['corpus.files.7=x', '--set corpus.files.7=x: corpus.files expected a place in the list, 0 to 1, got 7'],
    ['corpus.files.toString=x', 'corpus.files expected a place in the list, 0 to 1, got toString'],
    [
      'corpus.files=null',
      '--set corpus.files=null: corpus.files is missing, expected a list (Parquet files, folders or globs)',
    ],
    ['projection.kind=eigem', '--set projection.kind=eigem: projection.kind expected queryAdaptive or eigen'],
    ['corpus={files: [a], limt: 3}', 'unknown key corpus.limt; did you mean corpus.limit?'],
    ['\u001b[31m=3', '--set \\u{1b}[31m=3: unknown key \\u{1b}[31m'],
  ])('names itself in the error of %j', async (set, message) => {
    const text = await refusal(least, [set]);
    expect(text).toContain(message);
    expect(text).toMatch(/^--set /);
  });
});

describe('readConfiguration: paths', () => {
  it('are relative to the configuration, wherever the program was called', async () => {
    const inner = join(folder, 'inner');
    await mkdir(inner, { recursive: true });
    const path = join(inner, 'study.yml');
    await writeFile(
      path,
      'model: ../model\nqueryModel: ../tuned\ncorpus: {files: ["data/**/*.parquet", "!data/old/*.parquet", /data/x.parquet]}\nqueries: q.jsonl\noperators: [mine.ts]\n',
    );
    const { configuration, folder: found } = await readConfiguration(path);
    expect(found).toBe(inner);
    expect(configuration).toMatchObject({
      model: join(folder, 'model'),
      queryModel: join(folder, 'tuned'),
      queries: join(inner, 'q.jsonl'),
      operators: [{ path: join(inner, 'mine.ts') }],
      out: join(inner, 'runs', 'study'),
      cache: join(inner, '.headwater'),
    });
    expect(configuration.corpus.files).toEqual([
      `${inner}/data/**/*.parquet`,
      `!${inner}/data/old/*.parquet`,
      '/data/x.parquet',
    ]);
  });

  it('leave a hub id and a URL as they are', async () => {
    const text =
      'model: HuggingFaceTB/SmolLM2-135M\nqueryModel: lab/tuned@v1\ncorpus: {files: ["hf://datasets/a/b/*.parquet"]}\nqueries: https://a.b/q.jsonl\n';
    expect(await read(text)).toMatchObject({
      model: 'HuggingFaceTB/SmolLM2-135M',
      queryModel: 'lab/tuned@v1',
      corpus: { files: ['hf://datasets/a/b/*.parquet'] },
      queries: 'https://a.b/q.jsonl',
    });
  });

  it('take a model that is there for a folder, even where it looks like a hub id', async () => {
    await mkdir(join(folder, 'models', 'tiny'), { recursive: true });
    expect((await read(least, ['model=models/tiny'])).model).toBe(join(folder, 'models', 'tiny'));
  });

  it('do not take the brackets of a folder or of a file for a pattern', async () => {
    const odd = join(folder, '[2024]');
    await mkdir(odd, { recursive: true });
    await writeFile(join(odd, 'part[0].parquet'), '');
    const path = join(odd, 'run.yaml');
    await writeFile(path, least.replace('a.parquet', '"*.parquet", "part[0].parquet"'));
    const { configuration } = await readConfiguration(path);
    expect(configuration.corpus.files).toEqual([`${folder}/\\[2024\\]/*.parquet`, `${odd}/part[0].parquet`]);
  });

  it('say where nothing is, and what a folder is not', async () => {
    await expect(readConfiguration(join(folder, 'none.yaml'))).rejects.toThrow(
      /no configuration at .*none\.yaml \(looked in .*\): name a YAML file/,
    );
    await expect(readConfiguration(folder)).rejects.toThrow(
      /expected a configuration file, got the folder .*: name the YAML file inside it/,
    );
  });
});

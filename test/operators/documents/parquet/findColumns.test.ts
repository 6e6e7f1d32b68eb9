import { parquetMetadata } from 'hyparquet';
import { describe, expect, it } from 'vitest';
import { findColumns } from '../../../../operators/documents/parquet/findColumns.ts';
import { fixture } from '../corpora.ts';

const columnsOf = (name: string, textColumn: string, more = {}) =>
  findColumns(parquetMetadata(new Uint8Array(fixture(name))), { textColumn, ...more });

describe('findColumns', () => {
  it('finds text, id and source by name', () => {
    const { text, id, source } = columnsOf('none', 'text', { idColumn: 'id', sourceColumn: 'source' });
    expect(text).toMatchObject({ name: 'text', kind: 'text', type: 'BYTE_ARRAY', nullable: true });
    expect(id).toMatchObject({ name: 'id', kind: 'integer', type: 'INT64' });
    expect(source).toMatchObject({ name: 'source', kind: 'text' });
    expect(columnsOf('required', 'text')).toMatchObject({ text: { nullable: false }, id: null, source: null });
  });

  it('takes plain bytes for text: older writers do not mark strings', () => {
    expect(columnsOf('awkward-text', 'text').text.kind).toBe('text');
  });

  it('takes a column of nulls to which its writer gave no type', () => {
    expect(columnsOf('nulls', 'text', { idColumn: 'id' })).toMatchObject({
      text: { kind: 'nothing' },
      id: { kind: 'nothing' },
    });
  });

  it('takes integers of any width, signed or not, and UUIDs for ids', () => {
    const kinds = ['int32', 'uint32', 'uint64', 'uuid'].map(
      (idColumn) => columnsOf('ids', 'text', { idColumn }).id?.kind,
    );
    expect(kinds).toEqual(['integer', 'unsigned', 'unsigned', 'uuid']);
  });

  it.each([
    [
      'a missing text column',
      'content',
      { textColumn: 'text' },
      'corpus.textColumn "text" is not among its columns: id (int64), source (string), content (string); the nearest name is "content"',
    ],
    [
      'a misspelt id column',
      'ids',
      { textColumn: 'text', idColumn: 'uiid' },
      'corpus.idColumn "uiid" is not among its columns: text (string), int32 (int32), uint32 (int32), uint64 (int64), uuid (uuid), ' +
        'when (timestamp); the nearest name is "uuid"',
    ],
    [
      'a list of texts',
      'text-list',
      { textColumn: 'text' },
      'corpus.textColumn "text" must hold strings, it is a list; its columns: id (int64), source (string), text (a list)',
    ],
    [
      'a structure',
      'text-struct',
      { textColumn: 'text' },
      'corpus.textColumn "text" must hold strings, it is a struct;',
    ],
    [
      'a field of a structure',
      'text-struct',
      { textColumn: 'body' },
      'corpus.textColumn "body" is not among its columns',
    ],
    [
      'numbers for text',
      'text-int',
      { textColumn: 'text' },
      'corpus.textColumn "text" must hold strings, it is int64;',
    ],
    [
      'times for ids',
      'ids',
      { textColumn: 'text', idColumn: 'when' },
      'corpus.idColumn "when" must hold strings or integers, it is timestamp;',
    ],
  ])('names the schema that is there for %s', (_, name, names, message) => {
    expect(() => columnsOf(name, names.textColumn, names)).toThrow(message);
  });
});

/** Finds the text, id and source columns in a file's schema, or says which columns are there. */
import { closest } from 'fastest-levenshtein';
import { type FileMetaData, type ParquetType, parquetSchema, type SchemaTree } from 'hyparquet';

/** A flat column of values that read as text. */
export interface Column {
  name: string;
  kind: ColumnKind;
  type: ParquetType;
  /** Bytes of a FIXED_LEN_BYTE_ARRAY's value. */
  typeLength?: number;
  nullable: boolean;
  /** Its place among the file's columns, fields of structures counted one by one. */
  leaf: number;
}
/** 'nothing': a column of nulls, to which its writer gave no type. */
export type ColumnKind = 'text' | 'integer' | 'unsigned' | 'uuid' | 'nothing';

/** The columns of one file that documents are made of. */
export interface DocumentColumns {
  text: Column;
  id: Column | null;
  source: Column | null;
}

export interface ColumnNames {
  textColumn: string;
  idColumn?: string;
  sourceColumn?: string;
}

const STRINGS: ColumnKind[] = ['text', 'nothing'];
const LABELS: ColumnKind[] = [...STRINGS, 'integer', 'unsigned', 'uuid'];

/** Throws a plain Error with the schema that is there and the nearest name; the caller knows the file's name. */
export function findColumns(metadata: FileMetaData, names: ColumnNames): DocumentColumns {
  const nodes = parquetSchema(metadata).children;
  return {
    text: findColumn(nodes, 'corpus.textColumn', names.textColumn, STRINGS),
    id: names.idColumn === undefined ? null : findColumn(nodes, 'corpus.idColumn', names.idColumn, LABELS),
    source:
      names.sourceColumn === undefined ? null : findColumn(nodes, 'corpus.sourceColumn', names.sourceColumn, LABELS),
  };
}

/** A column that could hold ids or sources. */
export function findLabels(metadata: FileMetaData, name: string): Column {
  return findColumn(parquetSchema(metadata).children, 'column', name, LABELS);
}

function findColumn(nodes: SchemaTree[], setting: string, name: string, kinds: ColumnKind[]): Column {
  const place = nodes.findIndex((child) => child.element.name === name);
  const node = nodes[place];
  if (!node)
    throw new Error(`${setting} "${name}" is not among ${describeColumns(nodes)}${nearestName(nodes, name, kinds)}`);
  if (nodes.findLastIndex((child) => child.element.name === name) !== place)
    throw new Error(`${setting} "${name}" is the name of two columns; ${describeColumns(nodes)}`);
  const kind = columnKind(node);
  const { type, type_length: typeLength, repetition_type } = node.element;
  if (!kind || !type || !kinds.includes(kind)) {
    const wanted = kinds === STRINGS ? 'strings' : 'strings or integers';
    throw new Error(`${setting} "${name}" must hold ${wanted}, it is ${describeType(node)}; ${describeColumns(nodes)}`);
  }
  if (repetition_type === undefined)
    throw new Error(`${setting} "${name}" says in no known way whether it may be null; ${describeColumns(nodes)}`);
  const leaf = nodes.slice(0, place).reduce((sum, before) => sum + countLeaves(before), 0);
  return { name, kind, type, typeLength, nullable: repetition_type !== 'REQUIRED', leaf };
}

function countLeaves({ children }: SchemaTree): number {
  return children.length === 0 ? 1 : children.reduce((sum, child) => sum + countLeaves(child), 0);
}

/** The nearest name among the columns that would do, or among all where none would. */
function nearestName(nodes: SchemaTree[], name: string, kinds: ColumnKind[]): string {
  const fit = nodes.filter((node) => kinds.includes(columnKind(node)!));
  const names = (fit.length > 0 ? fit : nodes).map((node) => node.element.name);
  return names.length > 0 ? `; the nearest name is "${closest(name, names)}"` : '';
}

/** What values the column's bytes stand for; undefined for what cannot be a text, an id or a source. */
function columnKind({ element, children }: SchemaTree): ColumnKind | undefined {
  const { type, converted_type: converted, logical_type: logical, repetition_type } = element;
  if (children.length > 0 || repetition_type === 'REPEATED') return undefined;
  if (logical?.type === 'NULL') return 'nothing';
  // no annotation: older writers leave strings as plain bytes; the decoder checks them
  if (type === 'BYTE_ARRAY') return isStringLike(converted ?? logical?.type) ? 'text' : undefined;
  if (type === 'FIXED_LEN_BYTE_ARRAY')
    return logical?.type === 'UUID' && element.type_length === 16 ? 'uuid' : undefined;
  if (type !== 'INT32' && type !== 'INT64') return undefined;
  if (logical?.type === 'INTEGER') return logical.isSigned ? 'integer' : 'unsigned';
  if (converted === undefined && logical === undefined) return 'integer';
  if (converted?.startsWith('UINT_')) return 'unsigned';
  return converted?.startsWith('INT_') ? 'integer' : undefined;
}

function isStringLike(annotation: string | undefined): boolean {
  return annotation === undefined || ['UTF8', 'STRING', 'ENUM', 'JSON'].includes(annotation);
}

const MOST_DESCRIBED = 40;

/** `its columns: text (string), id (int64)`. */
export function describeColumns(nodes: SchemaTree[]): string {
  const listed = nodes.slice(0, MOST_DESCRIBED).map((node) => `${node.element.name} (${describeType(node)})`);
  if (nodes.length > MOST_DESCRIBED) listed.push(`${nodes.length - MOST_DESCRIBED} more`);
  return listed.length > 0 ? `its columns: ${listed.join(', ')}` : 'its columns: it has none';
}

function describeType(node: SchemaTree): string {
  const { type, converted_type: converted, logical_type: logical, repetition_type } = node.element;
  if (repetition_type === 'REPEATED') return 'a list';
  const annotation = (logical?.type ?? converted)?.toLowerCase();
  if (node.children.length > 0) return annotation === 'list' || annotation === 'map' ? `a ${annotation}` : 'a struct';
  if (annotation === 'utf8') return 'string';
  if (annotation === 'integer') return (type ?? 'int').toLowerCase();
  return annotation ?? (type === 'BYTE_ARRAY' ? 'binary' : (type ?? 'of no type').toLowerCase());
}

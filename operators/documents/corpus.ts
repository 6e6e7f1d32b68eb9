/** A corpus as plain data: its settings, its files in reading order, and what was left out. */
import type { ColumnNames } from './parquet/findColumns.ts';

/** What the configuration says of the corpus. */
export interface CorpusSettings extends ColumnNames {
  /** Files, folders and globs, relative to the base folder; `!glob` takes files out. */
  files: string[];
  textColumn: string;
  /** Strings, integers or UUIDs; default: file and row. */
  idColumn?: string;
  sourceColumn?: string;
  /** Rows of the whole corpus to pass over. */
  skip: number;
  /** The most rows to read after those; default: all. */
  limit?: number;
  onBadFile: 'fail' | 'skip';
  /** What a text that is not UTF-8 or holds NUL does where `invalidText` does not replace it. */
  onBadRow: 'setAside' | 'fail';
  /** What becomes of text that is not UTF-8 or holds NUL. */
  invalidText: 'setAside' | 'replace';
  /** SHA-256 of every file as `sha256sum` prints them, relative to the base folder; default: none is checked. */
  manifest?: string;
  /** Seconds that opening a file, or one read of it, may take. */
  readSeconds: number;
}

/** A corpus as plain data: what was found, in reading order. Rows are numbered through all files; that number is a document's key. */
export interface Corpus {
  /** Absolute. */
  baseFolder: string;
  files: CorpusFile[];
  rows: number;
  /** Files left out under `onBadFile: skip`. */
  badFiles: BadFile[];
}

export interface CorpusFile {
  /** Relative to the base folder (absolute where it lies outside), with forward slashes. */
  path: string;
  /** What default ids begin with: the base name, or the path where two base names are the same. */
  name: string;
  rows: number;
  /** The key of its first row. */
  rowStart: number;
  bytes: number;
  modifiedMs: number;
  /** SHA-256 of the footer: with `bytes`, tells another version of the file from this one. */
  footerHash: string;
  /** What the manifest says its SHA-256 is; absent where there is no manifest. */
  sha256?: string;
}

export interface BadFile {
  path: string;
  reason: string;
}

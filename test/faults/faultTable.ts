/** What is promised when things go wrong: each fault, the promise, and the tests that bring the fault about. */

export interface FaultRow {
  number: number;
  fault: string;
  promise: string;
  /** By file: titles of its tests as they stand in the source, `%s` and all. */
  tests: Record<string, string[]>;
  /** Longer commands that bring it about as well: a file of bench/ with what it is called with. */
  commands?: string[];
}

/** The table prints from this: a further test is a further line. */
export const faultTable: FaultRow[] = [
  {
    number: 1,
    fault: 'the run is killed at any moment',
    promise: 'it goes on from its checkpoint to the same bytes in every table',
    tests: {
      'test/faults/kills.test.ts': [
        'goes on to the same tables: first the compute process alone, then the supervisor with it',
      ],
      'test/pipeline/stages/run/resume.test.ts': ['goes on from its checkpoint to the same tables, byte for byte'],
      'test/pipeline/checkpoints/beginRun.test.ts': ['goes on where it was, and begins again where that is asked'],
    },
    commands: ['bench/kills.ts --kills 50'],
  },
  {
    number: 2,
    fault: 'the compute process alone is killed',
    promise: 'the supervisor starts it again; nothing is counted twice',
    tests: {
      'test/faults/kills.test.ts': [
        'goes on to the same tables: first the compute process alone, then the supervisor with it',
      ],
      'test/pipeline/supervisor/supervise.test.ts': ['blames nobody where it was killed from outside'],
      'test/pipeline/supervisor/crashBook.test.ts': [
        'blames no document for a death from outside, nor one with nothing in flight',
      ],
    },
  },
  {
    number: 3,
    fault: 'a kill between a write and its rename',
    promise: 'the older file or the newer one, never half of one',
    tests: {
      'test/pipeline/checkpoints/failNth.test.ts': [
        'ends the run with exit code 6 and the path; the same command then goes on to the same bytes',
        'leaves nothing half written under its name; the same command then goes on to the same bytes',
      ],
      'test/operators/files/wholeFile.test.ts': [
        'shows the older file until the new one is whole',
        'starts anew over what a killed run left',
      ],
      'test/pipeline/checkpoints/journal.test.ts': ['is cut off where the checkpoint has its end, and goes on there'],
      'test/operators/files/leftovers.test.ts': [
        'what a killed process left goes, in the folders of models and curvatures too; everything else stays',
      ],
    },
    commands: ['bench/failNth.ts'],
  },
  {
    number: 4,
    fault: 'an operator throws on one document',
    promise: 'the document is found by halving its batch and set aside with the reason; the run goes on',
    tests: {
      'test/faults/operators.test.ts': [
        'over %s in the %s has them set aside, named, and the run goes on',
        'leaves every table as it is where the operator itself sets them aside',
        'ends the run under onBadRow: fail, with the document’s name',
      ],
      'test/pipeline/pool/withoutPoison.test.ts': [
        'sets exactly the poisoned documents aside and scores the rest as a batch without them, in few runs',
        'ends with the error of the whole batch where every document of several fails',
      ],
    },
  },
  {
    number: 5,
    fault: 'a native crash, or an out-of-memory kill',
    promise: 'retried alone, then document by document; set aside at the third crash; a crash loop ends with exit 70',
    tests: {
      'test/faults/crashes.test.ts': [
        'is found and set aside where it takes a thread’s memory',
        'is found and set aside at the third crash, and the others are scored',
      ],
      'test/pipeline/supervisor/supervise.test.ts': [
        'knows what was begun right before a native crash, and learns from crash to crash which document it is',
        'takes a dead worker thread for a death',
        'ends a crash loop with exit code 70, and says where it stands',
      ],
      'test/pipeline/supervisor/crashBook.test.ts': [
        'condemns no document but one that was alone in flight at a death, and was in flight at two before',
      ],
      'test/pipeline/stages/run/carefully.test.ts': [
        'on which the process died alone is tried document by document, and then whole',
        'leaves condemned documents out, with the reason, in reading order',
      ],
    },
  },
  {
    number: 6,
    fault: 'a batch that never returns',
    promise: 'past its deadline the compute process is ended, and the batch retried as after a crash',
    tests: {
      'test/faults/crashes.test.ts': ['is found and set aside where it never returns, past the deadline'],
      'test/pipeline/supervisor/supervise.test.ts': [
        'ends what does not move within its deadline, and starts again',
        'leaves alone what has no batch in flight or still counts tokens, however long it takes',
      ],
      'test/pipeline/supervisor/deadline.test.ts': ['is past once nothing moved for so long'],
    },
  },
  {
    number: 7,
    fault: 'Ctrl-C once, twice; SIGTERM',
    promise: 'once: a checkpoint and exit 130 or 143 within 10 s; twice: at once; resumable either way',
    tests: {
      'test/faults/kills.test.ts': ['stops at Ctrl-C with exit 130 within ten seconds, and goes on from there'],
      'test/pipeline/supervisor/supervise.test.ts': [
        'hands %s on once, and ends with %i as the run does',
        'ends at the second signal at once',
        'ends within ten seconds of the first signal even where the run does not heed it',
        'leaves no compute process behind when it is killed itself',
      ],
      'test/pipeline/terminal/stopSignals.test.ts': [
        'asks to stop at the first signal, and ends the process at the second',
      ],
    },
  },
  {
    number: 8,
    fault: 'disk full, no permission, too many open files',
    promise: 'the last checkpoint stays whole; exit 6 with the path',
    tests: {
      'test/faults/fullDisk.test.ts': [
        'that is full ends the run with exit 6 and the path; its last checkpoint is whole, and gone on from once there is room',
        'that may only be read ends the run with exit 6 and the path',
      ],
      'test/pipeline/checkpoints/failNth.test.ts': [
        'ends the run with exit code 6 and the path; the same command then goes on to the same bytes',
      ],
      'test/pipeline/terminal/failure.test.ts': ['ends with 6 at %s, naming the path and what to do'],
      'test/operators/files/hashedFile.test.ts': [
        'leaves the older file whole, and says so by name, where the new one cannot be written',
      ],
      'test/operators/gradients/safetensors.test.ts': ['names the path when the disk refuses'],
    },
  },
  {
    number: 9,
    fault: 'a checkpoint or cache is cut or flipped',
    promise: 'found by its hash; the one before is used, or it is made again, and that is said',
    tests: {
      'test/pipeline/stages/run/resume.test.ts': [
        'that is damaged gives way to the one before it, which is said, and the tables are the same',
      ],
      'test/pipeline/stages/damagedCaches.test.ts': ['has every kind of file there is, and computes nothing again'],
      'test/pipeline/checkpoints/checkpointFiles.test.ts': [
        'of which the later is damaged anywhere are gone on from at the one before, and that is said',
        'that are all damaged are refused, not begun anew in silence',
      ],
      'test/pipeline/checkpoints/journal.test.ts': [
        'finds a flipped bit wherever it is, and a file that is short or gone',
      ],
      'test/operators/files/hashedFile.test.ts': ['finds every single flipped bit', 'finds a file cut at every length'],
    },
  },
  {
    number: 10,
    fault: 'a checkpoint, cache or shard of something else',
    promise: 'exit 5 with the keys that differ',
    tests: {
      'test/pipeline/stages/run/resume.test.ts': [
        'of another configuration, model or version is refused with the keys that differ, and stays',
      ],
      'test/pipeline/checkpoints/runIdentity.test.ts': ['depends on every key that a table depends on, and names it'],
      'test/pipeline/stages/merge.test.ts': [
        'refuse to be merged where one is there twice, missing, damaged or of another run',
      ],
      'test/pipeline/stages/fit.test.ts': ['that is of another seed ends a run with exit 5 and what differs'],
    },
  },
  {
    number: 11,
    fault: 'two processes in one run folder',
    promise: 'the second exits 2 and names the owner; a dead owner’s lock is taken over',
    tests: {
      'test/faults/kills.test.ts': ['keeps its folder: a second one ends with exit 2 and names the owner'],
      'test/pipeline/supervisor/runLock.test.ts': [
        'refuses a second owner, naming the first',
        'takes over from an owner that is dead',
        'takes over where the number is now that of another process',
        'lets one of two processes win that start at once',
        'never takes over from another machine, and says how to',
      ],
    },
  },
  {
    number: 12,
    fault: 'a shard merged twice, missing, overlapping',
    promise: 'exit 5, naming it',
    tests: {
      'test/pipeline/stages/merge.test.ts': [
        'merged are the run: the same rankings and counts, correlations to rounding',
        'refuse to be merged where one is there twice, missing, damaged or of another run',
      ],
    },
  },
  {
    number: 13,
    fault: 'Parquet cut, empty, or not Parquet',
    promise: 'file, offset and reason; the run ends, or the file is passed over and counted',
    tests: {
      'test/faults/parquet.test.ts': [
        'that is %s ends the run before anything is computed, with its name and reason',
        'that cannot be read is passed over and said where asked',
      ],
      'test/operators/documents/parquet/readFooter.test.ts': ['refuses a fixture cut at any byte, in words of its own'],
      'test/operators/documents/openCorpus.test.ts': [
        'names every bad file with its reason, and how to go on without them',
        'counts bad files and goes on where it may',
      ],
      'test/operators/documents/parquet/openFile.test.ts': [
        'refuses a folder, and a pipe at once although nobody writes to it',
        'gives up a file whose drive no longer answers: %s',
      ],
    },
  },
  {
    number: 14,
    fault: 'a page whose CRC does not match',
    promise: 'never read as good: its rows are lost and counted, or the run ends',
    tests: {
      'test/faults/parquet.test.ts': [
        'with a flipped bit under a checksum ends the run, or loses the page and says so',
        'that is not the one listed in the manifest ends the run with both digests',
      ],
      'test/operators/documents/parquet/bitFlips.test.ts': [
        'is flipped in files of every codec, version of page and encoding',
        'of %s leaves its documents as they are, or is found',
      ],
      'test/operators/documents/manifest.test.ts': ['fails at a file that is not the one listed, with both digests'],
    },
  },
  {
    number: 15,
    fault: 'absurd metadata: rows, page sizes, decompression bombs',
    promise: 'refused before memory is taken',
    tests: {
      'test/faults/parquet.test.ts': [
        'that is %s ends the run before anything is computed, with its name and reason',
        'whose page unfolds to more than it promises is found, and takes no memory',
      ],
      'test/operators/documents/parquet/decompressPage.test.ts': [
        'allows any page 128 MiB, a large one 64 times its compressed size, and none more than 1 GiB',
        'does not let %s take more memory than the page header promises',
      ],
      'test/operators/documents/parquet/decodePage.test.ts': [
        'refuses strings that unfold beyond all measure before taking the memory',
      ],
      'test/operators/documents/parquet/thriftStructEnd.test.ts': [
        'does not believe a length that the bytes contradict',
      ],
    },
  },
  {
    number: 16,
    fault: 'the known collections of bad Parquet files',
    promise: 'each an error of ours in under 5 s and 500 MB',
    tests: {
      'test/operators/documents/parquet/knownBadFiles.test.ts': [
        'with %s is refused within a second',
        'with indices of no bits is read: every value is the first (ARROW-GH-43605)',
      ],
      'test/operators/documents/readDocuments.test.ts': [
        'meets any damage with an error of ours or with rows, never with anything else',
      ],
    },
    commands: ['bench/parquetTesting.ts CHECKOUT'],
  },
  {
    number: 17,
    fault: 'an unsupported codec, encoding, encryption',
    promise: 'named before any compute, with what to do',
    tests: {
      'test/faults/parquet.test.ts': ['that is %s ends the run before anything is computed, with its name and reason'],
      'test/operators/documents/openCorpus.test.ts': ['finds an unsupported codec before anything is computed'],
    },
  },
  {
    number: 18,
    fault: 'the text column is missing, of another type, nested; schemas differ',
    promise: 'found before any compute, with the schema that is there and the nearest name',
    tests: {
      'test/faults/parquet.test.ts': ['that is %s ends the run before anything is computed, with its name and reason'],
      'test/operators/documents/openCorpus.test.ts': [
        'finds %s in any file before anything is computed',
        'refuses ids that are strings in one file and integers in another, nulls aside',
      ],
      'test/operators/documents/parquet/findColumns.test.ts': ['names the schema that is there for %s'],
      'test/pipeline/stages/run.test.ts': ['ends with a clear error for %s'],
    },
  },
  {
    number: 19,
    fault: 'null, empty, white space, one token',
    promise: 'counted with the reason; never a score of 0',
    tests: {
      'test/faults/documents.test.ts': [
        'is counted with its reason, and is in no table of scores: null, empty, white space, one token',
      ],
    },
  },
  {
    number: 20,
    fault: 'invalid UTF-8, NUL, lone surrogates, a byte-order mark',
    promise: 'set aside or replaced as configured, and counted',
    tests: {
      'test/faults/parquet.test.ts': ['is set aside with the byte, replaced, or ends the run, as configured'],
      'test/operators/documents/decodeText.test.ts': [
        'sets aside or replaces %s, as asked',
        'drops a byte-order mark at the start and keeps one inside',
      ],
      'test/pipeline/stages/run.test.ts': ['is scored or set aside with its reason, and the counts say so'],
    },
  },
  {
    number: 21,
    fault: 'one document of 10 MB',
    promise: 'cut, or split into windows, in bounded memory',
    tests: {
      'test/operators/tokens/windowDocuments.test.ts': ['takes a document of 10 MB in bounded memory, cut or split'],
      'test/operators/documents/readDocuments.test.ts': ['holds a few documents of 10 MB at a time'],
      'test/pipeline/stages/run.test.ts': [
        'of a split document is the sum of its windows’, and a cut one has its first alone',
      ],
    },
  },
  {
    number: 22,
    fault: 'no files match; a file of no rows; one document',
    promise: 'a clear error; a run; a run',
    tests: {
      'test/faults/documents.test.ts': [
        'of no rows runs to its end, with tables that say so',
        'of one document runs to its end, and ranks it first and last',
        'that no file matches ends the run with the pattern and where it was looked for',
      ],
    },
  },
  {
    number: 23,
    fault: 'the same document id twice',
    promise: 'kept apart by file and row; counted and said',
    tests: {
      'test/pipeline/stages/run.test.ts': ['keeps documents of one id apart by file and row, and counts them'],
    },
  },
  {
    number: 24,
    fault: 'a loss, gradient or score that is NaN or infinite',
    promise: 'the document is set aside; no heap, sum or curvature sees it',
    tests: {
      'test/faults/notFinite.test.ts': [
        'is in no sum of the curvature: %s',
        'ends the run under onBadRow: fail, named: %s',
        'for a query ends the run, named',
        'for every document of the sample ends the fit',
      ],
      'test/faults/operators.test.ts': ['as %s in the %s has the document set aside, and no other'],
      'test/pipeline/stages/run.test.ts': [
        'sets aside a document whose loss is not finite, and scores the others as if it were not there',
      ],
      'test/pipeline/stages/queries/projectQueries.test.ts': [
        'is refused where a query has no finite gradient, which is named',
      ],
      'test/operators/scores/setAsideNotFinite.test.ts': [
        'leaves heaps and accumulators as if the documents had not been there',
      ],
    },
  },
  {
    number: 25,
    fault: 'equal scores at the k-th place',
    promise: 'the lower document key stays, whatever the batches and workers',
    tests: {
      'test/faults/documents.test.ts': ['at the k-th place leave the lower rows, for any workers, slices and parts'],
      'test/pipeline/stages/run.test.ts': ['keeps the lower row of equal scores, at both ends'],
    },
  },
  {
    number: 26,
    fault: 'any number of workers, any batch size, any shards',
    promise: 'the same top documents; the same bits for any number of workers',
    tests: {
      'test/pipeline/stages/run/resume.test.ts': [
        'are the same for any batch size, number of workers and division into shards',
      ],
      'test/pipeline/stages/run.test.ts': ['come from one worker and from two, and from any number of credits'],
      'test/pipeline/stages/fit/sumPass.test.ts': [
        'gives the same factors, query gradients and tables with one worker and with two, byte for byte',
      ],
      'test/pipeline/stages/merge.test.ts': [
        'merged are the run: the same rankings and counts, correlations to rounding',
      ],
    },
  },
  {
    number: 27,
    fault: 'an unknown key, a wrong type, bad YAML, __proto__',
    promise: 'exit 2 with line, column and the nearest key; nothing polluted',
    tests: {
      'test/pipeline/configuration/readConfiguration.test.ts': [
        'names an unknown key, its place and the nearest key',
        'refuses %s',
        'refuses %j by line and column',
        'refuses %j and pollutes nothing',
        'refuses --set %s and pollutes nothing',
        'survives any text, with a UsageError or a configuration',
      ],
      'test/pipeline/terminal/commandLine.test.ts': ['ends with 2 at a bad configuration, by file, line and column'],
    },
  },
  {
    number: 28,
    fault: 'a custom operator throws, gives the wrong shape or NaN, never resolves, writes into shared buffers',
    promise: 'named with its place and its file; everything else is as without it',
    tests: {
      'test/faults/crashes.test.ts': ['is found and set aside where it never returns, past the deadline'],
      'test/faults/operators.test.ts': [
        'for one document has it set aside, with what was expected and what came',
        'for every document ends the run, with its place and its file',
        'changes no table: %s',
        'changes no score of the documents before: a join that gives one buffer again and again',
        'is found where it moves documents',
      ],
      'test/pipeline/operators/openOperator.test.ts': [
        'of %s: %s is refused, with the operator, its place and its file',
        '%s is named with its file',
      ],
      'test/pipeline/operators/runMaps.test.ts': [
        'names the map that gives nothing in time, and ends the run without splitting the batch',
        'keeps what a map wrote into a batch before it threw from everybody',
      ],
      'test/pipeline/operators/customOperators.test.ts': [
        'that %s is named, and the run ends with exit 3 or 5',
        'that cannot be resolved in a worker ends the run, with tasks waiting',
      ],
      'test/pipeline/operators/ownMatcher.test.ts': ['that %s is named with its file'],
      'test/pipeline/operators/folds.test.ts': ['names the file of a fold of the user’s own'],
    },
  },
  {
    number: 31,
    fault: 'a model folder lacks a tensor, has a wrong shape, is cut, is of an unknown architecture',
    promise: 'exit 3 with the tensor, expected and found, and what is supported',
    tests: {
      'test/faults/model.test.ts': ['%s ends the run with exit 3, what was expected and what was found'],
      'test/operators/gradients/architectures/forwardGraph.test.ts': ['is refused for %s'],
      'test/operators/gradients/safetensors.test.ts': ['any truncation of a file is found'],
    },
  },
  {
    number: 32,
    fault: 'an input file changes during the run',
    promise: 'found at the next checkpoint; exit 5',
    tests: {
      'test/faults/parquet.test.ts': ['that changes during the run ends it with exit code 5'],
      'test/pipeline/stages/run/resume.test.ts': [
        'is not written once a file of the corpus was touched or grew: the run ends, and goes on once it is put back',
      ],
      'test/operators/documents/readDocuments.test.ts': [
        'refuses a file that has changed since the corpus was opened, skip or not',
      ],
      'test/pipeline/stages/merge.test.ts': ['refuse to be merged with a corpus that has changed since'],
    },
  },
  {
    number: 34,
    fault: 'the clock jumps',
    promise: 'rates and deadlines go by a clock that does not',
    tests: {
      'test/faults/clock.test.ts': ['a wall clock that jumps by days ends no batch and spoils no rate'],
      'test/pipeline/terminal/progress.test.ts': [
        'keeps its numbers when the wall clock jumps',
        'survives a wall clock that jumps',
      ],
    },
  },
];

/** The part of the ONNX file format that gradient graphs need, encoded by protobufjs (onnx.proto, IR version 10). */
import { readFile } from 'node:fs/promises';
import protobuf from 'protobufjs';
import { DamagedFile, orMadeAgain, unreadable } from '../../files/damagedFile.ts';
import { writeShared } from '../../files/wholeFile.ts';

const schema = `
  syntax = "proto3";
  message ModelProto { int64 ir_version = 1; string producer_name = 2; GraphProto graph = 7; repeated OperatorSetIdProto opset_import = 8; }
  message OperatorSetIdProto { string domain = 1; int64 version = 2; }
  message GraphProto {
    repeated NodeProto node = 1; string name = 2; repeated TensorProto initializer = 5;
    repeated ValueInfoProto input = 11; repeated ValueInfoProto output = 12;
  }
  message NodeProto {
    repeated string input = 1; repeated string output = 2; string name = 3; string op_type = 4;
    repeated AttributeProto attribute = 5; string domain = 7;
  }
  message AttributeProto {
    string name = 1; optional float f = 2; optional int64 i = 3; repeated int64 ints = 8; int32 type = 20;
  }
  message TensorProto {
    repeated int64 dims = 1; int32 data_type = 2; string name = 8; optional bytes raw_data = 9;
    repeated StringStringEntryProto external_data = 13; optional int32 data_location = 14;
  }
  message StringStringEntryProto { string key = 1; string value = 2; }
  message ValueInfoProto { string name = 1; TypeProto type = 2; }
  message TypeProto { TensorType tensor_type = 1; }
  message TensorType { int32 elem_type = 1; TensorShapeProto shape = 2; }
  message TensorShapeProto { repeated Dimension dim = 1; }
  message Dimension { optional int64 dim_value = 1; optional string dim_param = 2; }
`;

const { root } = protobuf.parse(schema, { keepCase: true });
const modelProto = root.lookupType('ModelProto');

/** Opset 21 has every operator used here; the contributed ones (fused rotary and matmul) come from com.microsoft. */
export const opsets = [
  { domain: '', version: 21 },
  { domain: 'com.microsoft', version: 1 },
];

export const elementTypes = { float32: 1, int64: 7 } as const;
const attributeTypes = { float: 1, int: 2, ints: 7 } as const;

export interface OnnxNode {
  op_type: string;
  domain: string;
  input: string[];
  output: string[];
  attribute: object[];
}

/** An attribute: numbers become `i`, `{float}` becomes `f`, lists become `ints`. */
export type Attribute = number | number[] | { float: number };

export function attribute(name: string, value: Attribute): object {
  if (Array.isArray(value)) return { name, ints: value, type: attributeTypes.ints };
  if (typeof value === 'number') return { name, i: value, type: attributeTypes.int };
  return { name, f: value.float, type: attributeTypes.float };
}

export interface OnnxGraph {
  name: string;
  node: OnnxNode[];
  initializer: object[];
  input: object[];
  output: object[];
}

/** The bytes of an ONNX model. External data stays where it is: only its file, offset and length are written. */
export function encodeOnnx(graph: OnnxGraph): Uint8Array {
  const model = { ir_version: 10, producer_name: 'headwater', graph, opset_import: opsets };
  return modelProto.encode(modelProto.fromObject(model)).finish();
}

/**
 * Writes a model's bytes unless the file has just these: every run makes its graphs, small beside their weights, so that their files
 * are compared and need no digest. Throws ResourceError.
 */
export async function writeOnnx(path: string, bytes: Uint8Array): Promise<void> {
  if ((await orMadeAgain(() => expectBytes(path, bytes))) === null) await writeShared(path, [bytes]);
}

async function expectBytes(path: string, bytes: Uint8Array): Promise<true> {
  const found = await readFile(path).catch((cause) => unreadable(path, cause));
  if (found.equals(bytes)) return true;
  throw new DamagedFile(path, 'it is not the graph that this run needs under this name');
}

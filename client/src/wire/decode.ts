/**
 * Bytes or values from outside become typed messages here, or a `RemoteProtocolError`; nothing downstream checks again.
 *
 * The rules come from the generated tables of fields, so they are those of the Python decoder: unknown fields are dropped,
 * missing optional ones take their default, anything else out of shape is `message_malformed`.
 */

import { RemoteProtocolError } from "./errors.ts";
import {
  CLIENT_MESSAGE_TAGS,
  COORDINATOR_MESSAGE_TAGS,
  MESSAGE_BYTES_MAX,
  SIGNAL_TAGS,
  type ClientMessage,
  type CoordinatorMessage,
  type Fields,
  type Shape,
  type Signal,
  type Struct,
  type Tagged,
} from "./messages.ts";

/** A decoded value: defaults are filled in, so nothing is optional any more. */
export type Complete<T> = T extends readonly (infer Item)[]
  ? readonly Complete<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]-?: Complete<Exclude<T[Key], undefined>> }
    : T;

/** Parses one session message of a coordinator. */
export function decodeCoordinatorMessage(text: string): Complete<CoordinatorMessage> {
  return tagged(parse(text), COORDINATOR_MESSAGE_TAGS) as Complete<CoordinatorMessage>; // as: the shape was checked
}

/** Parses one session message of a client (tests and tools). */
export function decodeClientMessage(text: string): Complete<ClientMessage> {
  return tagged(parse(text), CLIENT_MESSAGE_TAGS) as Complete<ClientMessage>; // as: the shape was checked
}

/** Checks a relayed signalling payload. */
export function decodeSignal(value: unknown): Complete<Signal> {
  return tagged(value, SIGNAL_TAGS) as Complete<Signal>; // as: the shape was checked
}

/** Checks the parsed JSON body of an HTTP answer. */
export function decodeBody<T>(fields: Struct<T>, value: unknown): Complete<T> {
  return struct(value, fields, "the answer") as Complete<T>; // as: the shape was checked
}

function parse(text: string): unknown {
  if (text.length > MESSAGE_BYTES_MAX) {
    throw new RemoteProtocolError("message_too_large");
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new RemoteProtocolError("message_malformed", "A message is no JSON.", { cause });
  }
}

function tagged(value: unknown, tags: Tagged<unknown>): unknown {
  if (!isRecord(value)) throw malformed("a message");
  const tag = value[tags.field];
  const fields = typeof tag === "string" && Object.hasOwn(tags.structs, tag) ? tags.structs[tag] : undefined;
  if (typeof tag !== "string" || fields === undefined) throw new RemoteProtocolError("message_unknown");
  return { [tags.field]: tag, ...struct(value, fields, tag) };
}

function struct(value: unknown, fields: Fields, path: string): Record<string, unknown> {
  if (!isRecord(value)) throw malformed(path);
  const result: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(fields)) {
    const given = Object.hasOwn(value, key) ? value[key] : undefined;
    if (given === undefined) {
      if (!("default" in field)) throw malformed(`${path}.${key}`);
      result[key] = field.default;
    } else if (given === null) {
      if (field.nullable !== true) throw malformed(`${path}.${key}`);
      result[key] = null;
    } else {
      result[key] = checked(given, field.shape, `${path}.${key}`);
    }
  }
  return result;
}

function checked(value: unknown, shape: Shape, path: string): unknown {
  switch (shape.is) {
    case "array": {
      if (!Array.isArray(value)) throw malformed(path);
      const items: readonly unknown[] = value;
      if (!within(items.length, shape)) throw malformed(path);
      return items.map((item, index) => checked(item, shape.of, `${path}[${index}]`));
    }
    case "struct":
      return struct(value, shape.fields, path);
    default:
      if (!fits(value, shape)) throw malformed(path);
      return value;
  }
}

function fits(value: unknown, shape: Exclude<Shape, { is: "array" | "struct" }>): boolean {
  switch (shape.is) {
    case "any":
      return true;
    case "boolean":
      return typeof value === "boolean";
    case "integer":
      return Number.isSafeInteger(value) && within(value as number, shape); // as: an integer is a number
    case "number":
      return Number.isFinite(value) && within(value as number, shape); // as: what is finite is a number
    case "string":
      return (
        typeof value === "string" &&
        within(value.length, shape) &&
        (shape.pattern === undefined || pattern(shape.pattern).test(value))
      );
    case "literal":
      return typeof value === "string" && shape.values.includes(value);
  }
}

function within(
  size: number,
  { min = -Infinity, max = Infinity }: { readonly min?: number; readonly max?: number },
): boolean {
  return size >= min && size <= max;
}

const patterns = new Map<string, RegExp>();

function pattern(source: string): RegExp {
  let compiled = patterns.get(source);
  if (compiled === undefined) {
    compiled = new RegExp(source, "u");
    patterns.set(source, compiled);
  }
  return compiled;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function malformed(path: string): RemoteProtocolError {
  return new RemoteProtocolError("message_malformed", `${path} is missing or malformed.`);
}

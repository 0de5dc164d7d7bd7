import type { ErrorCode } from '../base/errors.ts';
import type { CodeAt } from './openapi-problems.ts';
import { ref, type SchemaName } from './openapi-schemas.ts';
import type { JsonSchema, Parameter } from './parameters-kinds.ts';

/** Who serves an operation. */
export type ServerKind = 'node' | 'coordinator';

/** A kind of body, by its content type, with an example. */
export interface Content {
  readonly schema: JsonSchema;
  readonly example: unknown;
}

/** Bodies by their content types. */
export type Contents = Readonly<Record<string, Content>>;

/** A header that answers may have beside those that every answer has. */
export type AnswerHeader =
  | 'Cache-Control'
  | 'ETag'
  | 'Expires-In'
  | 'Idempotent-Replay'
  | 'Location'
  | 'Retry-After'
  | 'Vary'
  | 'X-Accel-Buffering'
  | 'X-Content-Type-Options'
  | 'Content-Security-Policy';

/** An answer that is no problem. */
export interface AnswerSaid {
  readonly description: string;
  readonly always?: readonly AnswerHeader[];
  readonly sometimes?: readonly AnswerHeader[];
  /** Without it there is no body. */
  readonly content?: Contents;
}

/** What a request may be and what it is answered with: what `openapi.json` says of a method of a path. */
export interface Operation {
  readonly id: string;
  readonly summary: string;
  readonly description?: string;
  readonly tag: 'keys' | 'cluster' | 'process';
  readonly on: readonly ServerKind[];
  readonly parameters: readonly Parameter[];
  readonly body?: { readonly description: string; readonly required: boolean; readonly content: Contents };
  readonly answers: Readonly<Record<number, AnswerSaid>>;
  /** The problems that it may be answered with, beside those of every operation. */
  readonly problems: readonly (ErrorCode | CodeAt)[];
}

/** JSON of a named schema. */
export function json(schema: SchemaName, example: unknown): Contents {
  return { 'application/json': { schema: ref(schema), example } };
}

/** The same asked by `HEAD`: what the answers to `GET` have, without their bodies. */
export function headOf(get: Operation): Operation {
  const { body: _none, answers, ...same } = get;
  return {
    ...same,
    id: `head${get.id.charAt(0).toUpperCase()}${get.id.slice(1)}`,
    summary: `${get.summary}, without the body`,
    answers: Object.fromEntries(
      Object.entries(answers).map(([status, { content: _without, ...answer }]) => [status, answer]),
    ),
  };
}

/** The 307 of a node that is not the one to answer. */
export const REDIRECT: AnswerSaid = {
  description:
    'Another node answers this: send it to `Location`, with the same method, headers and body. With `forward=true` there is none.',
  always: ['Location'],
  content: json('Redirect', {
    location: 'http://localhost:4468/get/greeting',
    node: 'n3',
    hint: 'n3 answers this: send it there, with the same method and body (curl -L does), or add forward=true',
  }),
};

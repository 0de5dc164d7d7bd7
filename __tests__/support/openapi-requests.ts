import type { ApiDocument, ApiOperation, ApiParameter } from './openapi-document.ts';
import { instanceOf, type Sent } from './openapi-exchange.ts';

/** What stands in the place of the document's examples, by the name of a parameter, or `body`. */
export type Instead = Readonly<Record<string, string>>;

/** Everything that a request to an operation says. */
interface Said {
  readonly parameters: readonly { readonly parameter: ApiParameter; readonly text: string }[];
  readonly body?: { readonly type: string; readonly text: string };
}

/**
 * Requests as the document's examples have them: with what is required alone, with each of the other parameters, and
 * with each kind of body.
 */
export function exampleRequests(operation: ApiOperation, instead: Instead = {}): readonly Sent[] {
  const required = requiredOf(operation, instead);
  const bodies = bodiesOf(operation, instead);
  const [body] = bodies;
  const plain: Said = { parameters: required, ...(body && { body }) };
  const others = operation.parameters.filter((parameter) => parameter.required !== true);
  return [
    plain,
    ...others.map((parameter) => ({
      ...plain,
      parameters: [...required, { parameter, text: textOf(parameter, instead) }],
    })),
    ...bodies.slice(1).map((other) => ({ ...plain, body: other })),
  ].map((said) => requestOf(operation, said));
}

/** A request with the required examples alone, but for one parameter. */
export function requestWith(
  operation: ApiOperation,
  {
    parameter,
    text,
    instead = {},
    times = 1,
  }: { parameter: ApiParameter; text: string; instead?: Instead; times?: number },
): Sent {
  const rest = requiredOf(operation, instead).filter((said) => said.parameter !== parameter);
  const [body] = bodiesOf(operation, instead);
  const twice = Array.from({ length: times }, () => ({ parameter, text }));
  return requestOf(operation, { parameters: [...rest, ...twice], ...(body && { body }) });
}

/** Texts that are right here and wrong there. */
const TEXTS = [
  '',
  'x',
  '0',
  '1',
  '-1',
  '7',
  '1.5',
  '0.25',
  '-0.5',
  '*',
  '"1"',
  '"x"',
  'W/"1"',
  '"1", "2"',
  'true',
  'false',
  'TRUE',
  'null',
  'ü',
];

/** Texts for a parameter, around the bounds of its schema too, each with whether the document has it taken. */
export function textsFor(
  document: ApiDocument,
  { schema, in: where }: ApiParameter,
  limits: Readonly<Record<string, number>>,
): readonly { readonly text: string; readonly taken: boolean }[] {
  const { minimum, maximum, exclusiveMinimum } = schema as Readonly<Record<string, number | undefined>>;
  const bounds = [minimum, maximum, exclusiveMinimum].filter((bound) => bound !== undefined);
  const around = bounds.flatMap((bound) => [BigInt(bound) - 1n, BigInt(bound), BigInt(bound) + 1n]);
  const limit = String(schema['x-catena-limit'] ?? '').replace(/^limits\./, '');
  const bytesMax = limits[limit] ?? (schema['x-catena-bytes-max'] as number | undefined) ?? null;
  const long = bytesMax === null ? [] : [bytesMax, bytesMax + 1].map((bytes) => 'x'.repeat(bytes));
  const wide = bytesMax === null ? [] : ['ü'.repeat(Math.floor(bytesMax / 2) + 1)];
  const { const: only } = schema as { const?: string };
  const texts = [...TEXTS, ...around.map(String), ...long, ...wide, ...(only === undefined ? [] : [only])];
  // A header is bytes, and one that holds nothing but space is as good as none to some clients.
  const sendable = texts.filter((text) => where !== 'header' || (/^[\x20-\x7e]*$/.test(text) && text !== ''));
  return [...new Set(sendable)].map((text) => ({
    text,
    taken:
      document.faults(schema, instanceOf(schema, text)).length === 0 &&
      (bytesMax === null || Buffer.byteLength(text) <= bytesMax),
  }));
}

function requiredOf({ parameters }: ApiOperation, instead: Instead): Said['parameters'] {
  return parameters
    .filter(({ required }) => required === true)
    .map((parameter) => ({ parameter, text: textOf(parameter, instead) }));
}

function textOf({ name, example }: ApiParameter, instead: Instead): string {
  return instead[name] ?? String(example);
}

function bodiesOf(
  { requestBody }: ApiOperation,
  instead: Instead,
): readonly { type: string; text: string }[] {
  return Object.entries(requestBody?.content ?? {}).map(([type, { example }]) => ({
    type: type.replace('*/*', 'image/x-example'),
    text: instead.body ?? (/json$/.test(type) ? JSON.stringify(example) : String(example)),
  }));
}

function requestOf({ path, method }: ApiOperation, { parameters, body }: Said): Sent {
  let target = path;
  const query: string[] = [];
  const headers: Record<string, string> = body === undefined ? {} : { 'Content-Type': body.type };
  for (const { parameter, text } of parameters) {
    const { name } = parameter;
    if (parameter.in === 'path') target = target.replace(`{${name}}`, encodeURIComponent(text));
    else if (parameter.in === 'query') query.push(`${name}=${encodeURIComponent(text)}`);
    else headers[name] = text;
  }
  if (query.length > 0) target += `?${query.join('&')}`;
  return { method, target, headers, ...(body && { body: body.text }) };
}

import fc from 'fast-check';
import { epoch, requestId } from '../../src/base/ids.ts';
import { Refusal } from '../../src/http/problem.ts';
import { Query } from '../../src/http/query.ts';
import { requestIdOf } from '../../src/http/request.ts';
import { bornMsOf, headRequestId, REQUEST_ID_BYTES_MAX } from '../../src/protocol/request-id.ts';
import { fuzz } from './fuzz.ts';

const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.stringMatching(/^catena-[0-9a-z-]{0,40}$/),
  fc.string({ unit: fc.constantFrom(...'catena-09zA%+&='), maxLength: 40 }),
);

interface Options {
  readonly runs: number;
  readonly wanted?: boolean;
}

const claimBirth = (options: Options, { name = headRequestId, bornMs: bornMsIn = bornMsOf } = {}) =>
  fuzz(
    fc.property(fc.maxSafeNat(), fc.maxSafeNat(), fc.nat({ max: 36 ** 9 - 1 }), (of, count, bornMs) => {
      const id = name({ epoch: epoch(of), count, bornMs });
      expect(bornMsIn(id)).toBe(bornMs);
      expect(Buffer.byteLength(id)).toBeLessThanOrEqual(REQUEST_ID_BYTES_MAX);
    }),
    options,
  );

const claimKind = (options: Options, bornMsIn = bornMsOf) =>
  fuzz(
    fc.property(anyText, (text) => {
      const bornMs = bornMsIn(requestId(text));
      expect(bornMs === null || (Number.isSafeInteger(bornMs) && bornMs >= 0)).toBe(true);
      if (bornMs !== null) expect(text.startsWith('catena-')).toBe(true);
    }),
    options,
  );

const claimId = (options: Options, idOf = requestIdOf) => {
  const header = fc.oneof(
    fc.constant(undefined),
    fc.uint8Array({ maxLength: 200, size: 'max' }).map((bytes) => Buffer.from(bytes).toString('latin1')),
    anyText.map((text) => Buffer.from(text, 'utf8').toString('latin1')),
  );
  const query = fc.oneof(
    fc.constant(''),
    anyText,
    fc
      .string({ unit: 'binary', maxLength: 140 })
      .map((text) => `request-id=${encodeURIComponent(text.toWellFormed())}`),
    fc.constantFrom(
      'request-id=a&request-id=b',
      'request-id',
      'request-id=%',
      'request%2Did=x',
      'request-id=%C3',
    ),
  );
  fuzz(
    fc.property(header, query, (key, raw) => {
      const headers = key === undefined ? {} : { 'idempotency-key': key };
      try {
        const id = idOf(headers, new Query(raw));
        if (id === null) return;
        expect(id.isWellFormed()).toBe(true);
        expect(Buffer.byteLength(id)).toBeGreaterThan(0);
        expect(Buffer.byteLength(id)).toBeLessThanOrEqual(REQUEST_ID_BYTES_MAX);
        // It goes from node to node in an address.
        expect(idOf({}, new Query(`request-id=${encodeURIComponent(id)}`))).toBe(id);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        expect(error.code).toBe('BAD_PARAMETER');
        expect(['Idempotency-Key', 'request-id']).toContain(error.members.parameter);
      }
    }),
    options,
  );
};

test('what a head calls a write by says when it was born', () => {
  claimBirth({ runs: 1000 });
});

test('any text is the id of a head with its time of birth, or of a client', () => {
  claimKind({ runs: 2000 });
});

test('any header and query give an id within its bounds, none, or a 400 that names the parameter', () => {
  claimId({ runs: 2000 });
});

describe('the claim is broken by', () => {
  const wanted = { runs: 2000, wanted: true };
  const unchecked: typeof requestIdOf = (headers, query) => {
    const id = headers['idempotency-key'] ?? query.text('request-id') ?? null;
    return id === null ? null : requestId(String(id));
  };
  const broken: readonly [string, () => void][] = [
    [
      'a head whose ids lose the end of a long time',
      () => claimBirth(wanted, { name: (head) => headRequestId({ ...head, bornMs: head.bornMs % 1e9 }) }),
    ],
    [
      'a head whose ids grow too long',
      () =>
        claimBirth(wanted, {
          name: (head) => requestId(headRequestId(head).padEnd(129, '-')),
          bornMs: () => 0,
        }),
    ],
    [
      'a reader that finds a time of birth in what a client gave',
      () => claimKind(wanted, (id) => (/[0-9]/.test(id) ? Number(id.replaceAll(/[^0-9]/g, '')) : null)),
    ],
    [
      'a reader that finds no number where it took one for granted',
      () => claimKind(wanted, (id) => (id.startsWith('catena-') ? Number.parseInt(id.slice(7), 10) : null)),
    ],
    ['a server that takes an id as it comes', () => claimId(wanted, unchecked)],
    [
      'a server that stumbles over a bad escape',
      () =>
        claimId(wanted, (headers, query) => {
          decodeURIComponent(String(headers['idempotency-key']));
          return requestIdOf(headers, query);
        }),
    ],
    [
      'a server that says no and not to what',
      () =>
        claimId(wanted, (headers, query) => {
          try {
            return requestIdOf(headers, query);
          } catch {
            throw new Refusal('BAD_REQUEST', 'no');
          }
        }),
    ],
  ];
  test.each(broken)('%s', (_what, claimed) => {
    expect(claimed).toThrow('to run it again');
  });
});

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

test('what a head calls a write by says when it was born', () => {
  fuzz(
    fc.property(fc.maxSafeNat(), fc.maxSafeNat(), fc.nat({ max: 36 ** 9 - 1 }), (of, count, bornMs) => {
      const id = headRequestId({ epoch: epoch(of), count, bornMs });
      expect(bornMsOf(id)).toBe(bornMs);
      expect(Buffer.byteLength(id)).toBeLessThanOrEqual(REQUEST_ID_BYTES_MAX);
    }),
    { runs: 1000 },
  );
});

test('any text is the id of a head with its time of birth, or of a client', () => {
  fuzz(
    fc.property(anyText, (text) => {
      const bornMs = bornMsOf(requestId(text));
      expect(bornMs === null || (Number.isSafeInteger(bornMs) && bornMs >= 0)).toBe(true);
      if (bornMs !== null) expect(text.startsWith('catena-')).toBe(true);
    }),
    { runs: 2000 },
  );
});

test('any header and query give an id within its bounds, none, or a 400 that names the parameter', () => {
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
        const id = requestIdOf(headers, new Query(raw));
        if (id === null) return;
        expect(id.isWellFormed()).toBe(true);
        expect(Buffer.byteLength(id)).toBeGreaterThan(0);
        expect(Buffer.byteLength(id)).toBeLessThanOrEqual(REQUEST_ID_BYTES_MAX);
        // It goes from node to node in an address.
        expect(requestIdOf({}, new Query(`request-id=${encodeURIComponent(id)}`))).toBe(id);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        expect(error.code).toBe('BAD_PARAMETER');
        expect(['Idempotency-Key', 'request-id']).toContain(error.members.parameter);
      }
    }),
    { runs: 2000 },
  );
});

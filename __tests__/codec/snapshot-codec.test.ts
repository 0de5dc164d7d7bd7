import fc from 'fast-check';
import { CatenaError } from '../../src/base/errors.ts';
import { ByteReader, ByteWriter } from '../../src/codec/bytes.ts';
import { readSnapshotRow, writeSnapshotRow } from '../../src/codec/snapshot-codec.ts';
import { snapshotRow } from './arbitraries.ts';

test('rows of every kind come back as they were, one behind the other', () => {
  fc.assert(
    fc.property(fc.array(snapshotRow, { maxLength: 8 }), (rows) => {
      const writer = new ByteWriter(0);
      for (const row of rows) writeSnapshotRow(writer, row);
      const reader = new ByteReader(writer.finish());
      expect(rows.map(() => readSnapshotRow(reader))).toEqual(rows);
      expect(reader.done).toBe(true);
    }),
  );
});

test('any bytes give a row or a BAD_FRAME', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        readSnapshotRow(new ByteReader(Buffer.from(bytes)));
      } catch (error) {
        expect(error).toBeInstanceOf(CatenaError);
        expect(error).toHaveProperty('code', 'BAD_FRAME');
      }
    }),
  );
});

import { crc32 } from 'node:zlib';
import { epoch, nodeId, seq, storeId } from '../../src/base/ids.ts';
import type { Topology } from '../../src/protocol/topology.ts';
import { encodeFileHeader, saltOf } from '../../src/storage/file-header.ts';
import { type MetaContent, MetaSaver, readMeta, writeMeta } from '../../src/storage/meta.ts';
import { MemoryDisk } from '../support/memory-disk.ts';

const identity = { storeId: storeId('store-1'), boot: 3 };
const address = { urls: ['http://localhost:1'], peer: 'localhost:2' };
const topology: Topology = {
  name: 'local',
  replicas: 1,
  chain: [nodeId('n1')],
  nodes: { [nodeId('n1')]: address },
  coordinators: { [nodeId('c1')]: address },
  reads: 'tail',
  durability: 'sync',
  timing: { heartbeatMs: 50, suspectAfterMs: 500, leaseMs: 200, stallAfterMs: 5000 },
  limits: { keyBytes: 1024, valueBytes: 9, batchBytes: 10, inFlightBytes: 11, storeBytes: 12 },
  origins: [],
};
const installing = { epoch: epoch(2), seq: seq(7), segment: 4, record: 99 };

test('what was written comes back, those on their way out and an install under way included', async () => {
  const disk = new MemoryDisk();
  const content: MetaContent = {
    configuration: null,
    topology: { version: 5, topology, departing: { [nodeId('n2')]: address } },
    leaseMsMax: 200,
    installing,
  };
  await writeMeta(disk, identity, content);
  expect(await readMeta(disk)).toEqual({ identity, content });
});

test('a file from before nodes could depart is read as if none did', async () => {
  const disk = new MemoryDisk();
  const content = { boot: 3, configuration: null, topology: { version: 5, topology }, leaseMsMax: 200 };
  const payload = Buffer.from(JSON.stringify(content));
  const fields = [payload.length, crc32(payload, saltOf(identity.storeId))];
  const header = encodeFileHeader({ kind: 'catenaMT', storeId: identity.storeId, fields });
  disk.put('meta', Buffer.concat([header, payload]));
  expect(await readMeta(disk)).toEqual({
    identity,
    content: {
      configuration: null,
      topology: { version: 5, topology, departing: {} },
      leaseMsMax: 200,
      installing: null,
    },
  });
});

test('saves of different fields that meet lose neither', async () => {
  const empty: MetaContent = { configuration: null, topology: null, leaseMsMax: 0, installing: null };
  const written: MetaContent[] = [];
  const saver = new MetaSaver(empty, async (content) => {
    written.push(content);
  });
  await Promise.all([
    saver.save({ leaseMsMax: 1 }),
    saver.save({ installing }),
    saver.save({ leaseMsMax: 2 }),
  ]);
  expect(written.at(-1)).toMatchObject({ leaseMsMax: 2, installing });
  await saver.save({ leaseMsMax: 3 });
  expect(written.at(-1)).toMatchObject({ leaseMsMax: 3, installing });
  await saver.save({ installing: null });
  expect(written.at(-1)).toMatchObject({ leaseMsMax: 3, installing: null });
});

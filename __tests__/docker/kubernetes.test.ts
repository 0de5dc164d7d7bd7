import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import type { IService } from 'kubernetes-models/v1/Service';
import { nodeId } from '../../src/base/ids.ts';
import { withServerOptions } from '../../src/cli/server-options.ts';
import { redirectTarget } from '../../src/protocol/addresses.ts';
import type { Address, Topology } from '../../src/protocol/topology.ts';
import { listenPlan } from '../../src/server/listen-at.ts';
import { parseTopology } from '../../src/topology/topology.ts';
import { PROJECT } from '../support/source-files.ts';
import {
  bytesOf,
  MANIFEST,
  manifestText,
  type Resource,
  readDocuments,
  resource,
  type Workload,
  workload,
} from './kubernetes-manifest.ts';
import { faultsOf } from './kubernetes-schema.ts';

const text = manifestText();
const all = readDocuments(text) as Resource[];
const nodes = workload('catena');
const coordinator = workload('catena-coordinator');
const workloads = [nodes, coordinator];
const topology = topologyOf(resource('ConfigMap', 'catena-topology').data);

function topologyOf(data: Readonly<Record<string, string>> | undefined): Topology {
  const parsed = parseTopology(data?.['topology.json'] ?? '', `${MANIFEST} topology.json`);
  if (parsed.kind === 'bad') throw new Error(JSON.stringify(parsed.problems, null, 2));
  return parsed.topology;
}

function addressOf(pod: string): Address {
  const address = topology.nodes[nodeId(pod)] ?? topology.coordinators[nodeId(pod)];
  if (address === undefined) throw new Error(`${pod} is not in the topology`);
  return address;
}

function containerPort({ container }: Workload, name: unknown): number | undefined {
  return container.ports?.find((port) => port.name === name)?.containerPort;
}

function environment({ container }: Workload): Readonly<Record<string, string | undefined>> {
  const from = container.env?.map((one) => [one.name, one.value ?? one.valueFrom?.fieldRef?.fieldPath]);
  return Object.fromEntries(from ?? []);
}

/** The workloads whose pods a selector picks. */
function picked(selector: Readonly<Record<string, string>> | undefined): readonly string[] {
  const wanted = Object.entries(selector ?? {});
  if (wanted.length === 0) throw new Error('a selector that says nothing picks every pod');
  return workloads
    .filter(({ labels }) => wanted.every(([key, value]) => labels[key] === value))
    .map(({ name }) => name);
}

function portsOf(service: IService): readonly unknown[] {
  return (service.spec?.ports ?? []).map(({ name, port, targetPort }) => [name, port, targetPort]);
}

describe('the schema of Kubernetes', () => {
  test('every resource is sound by the schema of its kind, and has no field that this does not know', () => {
    expect(all.map((one) => [one.kind, one.metadata?.name, faultsOf(one)])).toEqual(
      all.map((one) => [one.kind, one.metadata?.name, []]),
    );
  });

  test.each([
    ['volumeClaimTemplates:', 'volumeClaimTemplate:', '/spec/volumeClaimTemplate: no such field'],
    ['readinessProbe:', 'readinessprobe:', '/spec/template/spec/containers/0/readinessprobe: no such field'],
    ['replicas: 3', 'replicas: "3"', '/spec/replicas: type {"type":"integer"}'],
    ['memory: 2Gi', 'memory: 2 GiB', '/spec/template/spec/containers/0/resources/requests/memory: format'],
    ['podManagementPolicy: Parallel', 'podManagementPolicy: All', '/spec/podManagementPolicy: enum'],
    ['maxUnavailable: 1', 'maxUnavailable: [1]', '/spec/maxUnavailable: '],
    ['clusterIP: None', 'clusterIp: None', '/spec/clusterIp: no such field'],
    ['serviceName: catena', 'x: 1', '/spec/x: no such field'],
    ['podSelector:', 'podSelectors:', '/spec/podSelectors: no such field'],
    ['kind: ConfigMap', 'kind: Configmap', '/: there is no schema here for v1 Configmap'],
    ['\ndata:\n', '\ndate:\n', '/date: no such field'],
  ])('%j written as %j is found', (right, wrong, fault) => {
    const lines = text.split('\n').map((line) => line.replace(/^ *#.*/, ''));
    const planted = lines.join('\n').replace(right, wrong);
    expect(planted).toContain(wrong);
    expect(readDocuments(planted).flatMap(faultsOf).join('\n')).toContain(fault);
  });

  test.each([
    ['a key twice', 'a: 1\na: 2', /unique/],
    ['a tag that nobody knows', 'a: !secret 1', /tag/],
    ['what YAML 1.1 reads as a truth', 'a: on', /1\.1 and 1\.2/],
    ['an unfinished list', 'a: [1', /sequence/],
  ])('%s is found', (_what, planted, fault) => {
    expect(() => readDocuments(planted)).toThrow(fault);
  });
});

describe('the topology', () => {
  test('every pod is a process of the topology, and the reverse', () => {
    expect(Object.keys(topology.nodes)).toEqual(nodes.pods);
    expect(topology.chain).toEqual(nodes.pods);
    expect(topology.replicas).toBe(nodes.pods.length);
    expect(Object.keys(topology.coordinators)).toEqual(coordinator.pods);
  });

  test.each(workloads)(
    'the pods of $name are reached by their names, at the ports that they listen on',
    (one) => {
      const service = resource('Service', one.spec.serviceName ?? '');
      expect(service.spec?.clusterIP).toBe('None');
      expect(picked(service.spec?.selector)).toEqual([one.name]);
      const ports = [
        ['http', containerPort(one, 'http'), 'http'],
        ['peer', containerPort(one, 'peer'), 'peer'],
      ];
      expect(portsOf(service)).toEqual(ports);
      for (const pod of one.pods) {
        const host = `${pod}.${service.metadata?.name}.${service.metadata?.namespace}.svc`;
        const address = addressOf(pod);
        expect(address.urls[0]).toBe(`http://${host}:${containerPort(one, 'http')}`);
        expect(address.peer).toBe(`${host}:${containerPort(one, 'peer')}`);
        const plan = listenPlan(address, {});
        expect([plan.http.port, plan.peer.port]).toEqual([
          containerPort(one, 'http'),
          containerPort(one, 'peer'),
        ]);
        expect(plan.http.hosts).not.toContain('127.0.0.1');
      }
    },
  );

  test('a redirect leads to the pod by a name that every namespace knows, whichever name the request came to', () => {
    const [from, to] = [addressOf('catena-1'), addressOf('catena-2')];
    const hosts = [
      'catena-client:4466',
      'catena-client.default.svc:4466',
      'catena-1.catena:4466',
      '10.1.2.3:4466',
    ];
    for (const host of [...hosts, new URL(from.urls[0] ?? '').host]) {
      expect(redirectTarget({ from, to, host })).toBe('http://catena-2.catena.default.svc:4466');
    }
  });

  test('through forwarded ports of the local machine a redirect stays there', () => {
    const [from, to] = [addressOf('catena-1'), addressOf('catena-2')];
    expect(redirectTarget({ from, to, host: 'localhost:4467' })).toBe('http://localhost:4468');
  });

  test('everything is in the namespace that the addresses name', () => {
    expect(new Set(all.map(({ metadata }) => metadata?.namespace))).toEqual(new Set(['default']));
  });

  test('one sed moves everything to another namespace', () => {
    const commands = /^#\s+sed '(.*)' docker\/kubernetes\.yaml/m.exec(text)?.[1] ?? '';
    const moved = commands.split('; ').reduce((lines, command) => {
      const [, from = '', to = ''] = /^s\/(.*)\/(.*)\/$/.exec(command) ?? [];
      return lines.map((line) => line.replace(new RegExp(from), to));
    }, text.split('\n'));
    const left = moved.filter((line) => !line.startsWith('#') && line.includes('default'));
    expect(left.filter((line) => !line.trim().startsWith('#'))).toEqual([]);
    expect(readDocuments(moved.join('\n'))).toHaveLength(all.length);
  });
});

describe('the pods', () => {
  test.each(workloads)('$name selects its own pods and no others, and carries their labels', (one) => {
    const selector = one.spec.selector.matchLabels;
    expect(picked(selector)).toEqual([one.name]);
    expect(resource('StatefulSet', one.name).metadata?.labels).toEqual(one.labels);
    for (const { labelSelector } of one.pod.topologySpreadConstraints ?? []) {
      expect(picked(labelSelector?.matchLabels)).toEqual([one.name]);
    }
  });

  test.each(workloads)(
    '$name is started with variables that the program knows, which lead to what is mounted',
    (one) => {
      const { CATENA_NODE, CATENA_TOPOLOGY, CATENA_DATA, NODE_OPTIONS: _, ...others } = environment(one);
      const known = withServerOptions(new Command()).options.map(({ envVar }) => envVar);
      expect([...known, 'CATENA_LOG_LEVEL']).toEqual(
        expect.arrayContaining(['CATENA_TOPOLOGY', 'CATENA_DATA', ...Object.keys(others)]),
      );
      expect(CATENA_NODE).toBe('metadata.name');
      const mounts = Object.fromEntries(
        (one.container.volumeMounts ?? []).map((mount) => [mount.mountPath, mount]),
      );
      expect(Object.keys(mounts).sort()).toEqual(['/data', '/topology']);
      expect(CATENA_DATA).toBe('/data');
      expect(one.spec.volumeClaimTemplates?.map(({ metadata }) => metadata?.name)).toEqual([
        mounts['/data']?.name,
      ]);
      const volume = one.pod.volumes?.find(({ name }) => name === mounts['/topology']?.name);
      const { data } = resource('ConfigMap', volume?.configMap?.name ?? '');
      expect(Object.keys(data ?? {}).map((file) => `/topology/${file}`)).toEqual([CATENA_TOPOLOGY]);
      // With one the kubelet would not follow edits.
      expect(mounts['/topology']?.subPath).toBeUndefined();
    },
  );

  test.each(workloads)(
    '$name may do nothing that the "restricted" pod security standard forbids',
    ({ pod, container }) => {
      expect(pod.securityContext).toMatchObject({
        runAsNonRoot: true,
        runAsUser: 1000,
        fsGroup: 1000,
        seccompProfile: { type: 'RuntimeDefault' },
      });
      expect(container.securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      expect([pod.automountServiceAccountToken, pod.hostNetwork, pod.containers.length]).toEqual([
        false,
        undefined,
        1,
      ]);
    },
  );

  test.each(workloads)('$name probes its own port, at pages that say 200', ({ container }) => {
    const { livenessProbe, startupProbe, readinessProbe } = container;
    const gets = [livenessProbe, startupProbe, readinessProbe].flatMap((probe) => probe?.httpGet ?? []);
    for (const { path, port } of gets) {
      expect(['/status', '/readyz']).toContain(path);
      expect(port).toBe('http');
    }
    // A restart mends nothing of what /healthz tells: a full disk, a slow machine.
    expect(livenessProbe?.httpGet?.path).toBe('/status');
    const [url] = readinessProbe?.exec?.command?.slice(-1) ?? [];
    if (url !== undefined) expect(url).toBe('http://127.0.0.1:4466');
  });

  test.each(workloads)('$name has the time to stop in order', ({ pod, container }) => {
    const [, seconds = '0'] = container.lifecycle?.preStop?.exec?.command ?? [];
    // INTERFACE: a process stops within 5 s.
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(Number(seconds) + 5);
  });

  test('both run the image of this version', () => {
    const { version } = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')) as {
      version: string;
    };
    expect(workloads.map(({ container }) => container.image)).toEqual([
      `catena:${version}`,
      `catena:${version}`,
    ]);
    expect(workloads.map(({ container }) => container.args)).toEqual([['node'], ['coordinator']]);
  });

  test('a full store fits into the memory and onto the disk, beside the one that a joiner still holds', () => {
    const limit = bytesOf(nodes.container.resources?.limits?.memory);
    const heap = bytesOf(`${/=(\d+)$/.exec(environment(nodes).NODE_OPTIONS ?? '')?.[1]}Mi`);
    const [claim] = nodes.spec.volumeClaimTemplates ?? [];
    // Measured with values of 20 bytes: a member takes four times its storeBytes, a joiner with an old and a new store five times.
    expect(topology.limits.storeBytes * 6).toBeLessThanOrEqual(heap);
    expect(heap + 2 * topology.limits.inFlightBytes).toBeLessThan(limit);
    expect(bytesOf(nodes.container.resources?.requests?.memory)).toBe(limit);
    expect(bytesOf(claim?.spec?.resources?.requests?.storage)).toBeGreaterThan(
      topology.limits.storeBytes * 8,
    );
  });
});

describe('the cluster', () => {
  test('clients begin at any ready node', () => {
    const service = resource('Service', 'catena-client');
    expect(picked(service.spec?.selector)).toEqual(['catena']);
    expect(portsOf(service)).toEqual([['http', 4466, 'http']]);
    expect([service.spec?.clusterIP, service.spec?.publishNotReadyAddresses]).toEqual([undefined, undefined]);
  });

  test('the first start waits for nothing that waits for it', () => {
    expect(nodes.spec.podManagementPolicy).toBe('Parallel');
    for (const { spec } of workloads) {
      expect(resource('Service', spec.serviceName ?? '').spec?.publishNotReadyAddresses).toBe(true);
    }
  });

  test('one node at a time may be drained, and the coordinator at any time', () => {
    const { spec } = resource('PodDisruptionBudget', 'catena');
    expect(spec?.maxUnavailable).toBe(1);
    expect(picked(spec?.selector?.matchLabels)).toEqual(['catena']);
  });

  test('the peer ports are open to pods of catena alone, HTTP to all', () => {
    const { spec } = resource('NetworkPolicy', 'catena');
    expect(picked(spec?.podSelector?.matchLabels)).toEqual(['catena', 'catena-coordinator']);
    const [peers, others] = spec?.ingress ?? [];
    expect(peers?.from?.map(({ podSelector }) => picked(podSelector?.matchLabels))).toEqual([
      ['catena', 'catena-coordinator'],
    ]);
    expect(peers?.ports?.map(({ port }) => port)).toEqual(['http', 'peer']);
    expect(others).toEqual({ ports: [{ port: 'http' }] });
  });

  test('what deletes the pods deletes no data', () => {
    const keep = { whenDeleted: 'Retain', whenScaled: 'Retain' };
    expect(workloads.map(({ spec }) => spec.persistentVolumeClaimRetentionPolicy)).toEqual([keep, keep]);
    // `kubectl delete -f` would take the claims along with their namespace.
    expect((readDocuments(text) as { kind: string }[]).map(({ kind }) => kind)).not.toContain('Namespace');
  });

  test('there is one coordinator', () => {
    expect(coordinator.pods).toHaveLength(1);
  });
});

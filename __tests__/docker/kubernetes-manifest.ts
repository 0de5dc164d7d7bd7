import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { IStatefulSet } from 'kubernetes-models/apps/v1/StatefulSet';
import type { INetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy';
import type { IPodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import type { IConfigMap } from 'kubernetes-models/v1/ConfigMap';
import type { IService } from 'kubernetes-models/v1/Service';
import { parseAllDocuments } from 'yaml';
import { PROJECT } from '../support/source-files.ts';

/** What `kubectl` is given, from the project's directory. */
export const MANIFEST = 'docker/kubernetes.yaml';

export type Resource = IConfigMap | INetworkPolicy | IPodDisruptionBudget | IService | IStatefulSet;

export type PodSpec = NonNullable<IStatefulSet['spec']>['template']['spec'] & {};
export type Container = PodSpec['containers'][number];

/** A StatefulSet with what each of this file's has. */
export interface Workload {
  readonly name: string;
  readonly spec: NonNullable<IStatefulSet['spec']>;
  readonly pod: PodSpec;
  readonly container: Container;
  /** The labels of its pods. */
  readonly labels: Readonly<Record<string, string>>;
  /** The pods that it makes: its name and a number from 0. */
  readonly pods: readonly string[];
}

export function manifestText(): string {
  return readFileSync(join(PROJECT, MANIFEST), 'utf8');
}

/**
 * The documents of a YAML text, as `kubectl` reads them. It reads YAML 1.1, where `on` and `012` mean something else than in
 * 1.2, so what the two read differently is a fault too.
 *
 * @throws Error with all that is wrong: syntax, a key twice, a tag that nobody knows, an empty document.
 */
export function readDocuments(text: string): readonly unknown[] {
  const [older, newer] = (['1.1', '1.2'] as const).map((version) => {
    const documents = parseAllDocuments(text, { version, uniqueKeys: true, strict: true });
    if (!Array.isArray(documents)) throw new Error('there is no document');
    const faults = documents.flatMap(({ errors, warnings }) => [...errors, ...warnings]);
    if (faults.length > 0) throw new Error(faults.map(({ message }) => message).join('\n'));
    return documents.map((document) => document.toJS() as unknown);
  });
  if (JSON.stringify(older) !== JSON.stringify(newer))
    throw new Error('YAML 1.1 and 1.2 read it differently');
  return newer ?? [];
}

/** The one resource of this kind and name. */
export function resource<K extends Resource['kind']>(
  kind: K,
  name: string,
): Extract<Resource, { kind: K }> & { spec: object } {
  const all = readDocuments(manifestText()) as Resource[];
  const found = all.filter((one) => one.kind === kind && one.metadata?.name === name);
  if (found.length !== 1) throw new Error(`${found.length} resources are ${kind} ${name}`);
  return found[0] as Extract<Resource, { kind: K }> & { spec: object };
}

export function workload(name: string): Workload {
  const { spec } = resource('StatefulSet', name);
  const pod = spec?.template.spec;
  const container = pod?.containers[0];
  if (spec === undefined || pod === undefined || container === undefined)
    throw new Error(`${name} runs nothing`);
  const pods = Array.from({ length: spec.replicas ?? 1 }, (_, ordinal) => `${name}-${ordinal}`);
  return { name, spec, pod, container, labels: spec.template.metadata?.labels ?? {}, pods };
}

/** `2Gi` in bytes. Knows the suffixes that this file uses. */
export function bytesOf(quantity: string | number | undefined): number {
  const [, number, suffix] = /^(\d+)([MG]i)$/.exec(String(quantity)) ?? [];
  if (number === undefined) throw new Error(`not a number of Mi or Gi: ${quantity}`);
  return Number(number) * 1024 ** (suffix === 'Gi' ? 3 : 2);
}

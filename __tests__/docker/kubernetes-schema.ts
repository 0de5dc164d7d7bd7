import { validate as statefulSet } from 'kubernetes-models/_schemas/IoK8sApiAppsV1StatefulSet';
import { validate as configMap } from 'kubernetes-models/_schemas/IoK8sApiCoreV1ConfigMap';
import { validate as service } from 'kubernetes-models/_schemas/IoK8sApiCoreV1Service';
import { validate as networkPolicy } from 'kubernetes-models/_schemas/IoK8sApiNetworkingV1NetworkPolicy';
import { validate as disruptionBudget } from 'kubernetes-models/_schemas/IoK8sApiPolicyV1PodDisruptionBudget';

interface SchemaError {
  readonly instancePath: string;
  readonly keyword: string;
  readonly params: unknown;
}

/** A schema of Kubernetes' OpenAPI, compiled by ajv; its errors are kept at the function. */
type Validate = ((data: unknown) => boolean) & { readonly errors?: readonly SchemaError[] | null };

const SCHEMAS: Readonly<Record<string, Validate>> = {
  'apps/v1 StatefulSet': statefulSet,
  'networking.k8s.io/v1 NetworkPolicy': networkPolicy,
  'policy/v1 PodDisruptionBudget': disruptionBudget,
  'v1 ConfigMap': configMap,
  'v1 Service': service,
};

/**
 * What is wrong with a resource by the schema of its kind, each fault as `/json/pointer: what`. Fields that the schema does
 * not know are faults too, as for `kubectl --validate=strict`: those that it never looked at.
 */
export function faultsOf(document: unknown): readonly string[] {
  const { apiVersion, kind } = document as { apiVersion?: unknown; kind?: unknown };
  const validate = SCHEMAS[`${apiVersion} ${kind}`];
  if (validate === undefined) return [`/: there is no schema here for ${apiVersion} ${kind}`];
  const seen = new Set<string>();
  const errors = validate(watched(document, '', seen)) ? [] : (validate.errors ?? []);
  return [
    ...errors.map(
      ({ instancePath, keyword, params }) => `${instancePath}: ${keyword} ${JSON.stringify(params)}`,
    ),
    ...unseen(document, '', seen).map((pointer) => `${pointer}: no such field`),
  ];
}

/** The same value; the pointers of whatever is read of it are noted. */
function watched(value: unknown, pointer: string, seen: Set<string>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  return new Proxy(value, {
    get(target, key) {
      const found: unknown = Reflect.get(target, key);
      if (typeof key === 'symbol' || !Object.hasOwn(target, key)) return found;
      seen.add(`${pointer}/${key}`);
      return watched(found, `${pointer}/${key}`, seen);
    },
  });
}

/** What was never read, but nothing within it. */
function unseen(value: unknown, pointer: string, seen: ReadonlySet<string>): readonly string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const at = `${pointer}/${key}`;
    return seen.has(at) ? unseen(inner, at, seen) : [at];
  });
}

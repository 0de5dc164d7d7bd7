import type { Handler, Method, Route } from './http-server.ts';
import { KEY_PATHS } from './operations-keys.ts';
import type { Operation } from './operations-kinds.ts';
import { PAGE_PATHS } from './operations-pages.ts';

/** Every path that a node or a coordinator serves, and what each of its methods does: what `openapi.json` is made of. */
export const PATHS = { ...KEY_PATHS, ...PAGE_PATHS } as const satisfies Readonly<
  Record<string, Readonly<Partial<Record<Method, Operation>>>>
>;

/** A path as `openapi.json` has it. */
export type Path = keyof typeof PATHS;

/** A route to a path: there is a handler for each of its operations, and none for anything else. */
export function routeTo<P extends Path>(
  path: P,
  methods: Readonly<Record<keyof (typeof PATHS)[P], Handler>>,
): Route {
  return { path: path.replace('{key}', ''), methods };
}

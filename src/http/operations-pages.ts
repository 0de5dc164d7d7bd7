import { ref } from './openapi-schemas.ts';
import { headOf, json, type Operation, REDIRECT } from './operations-kinds.ts';
import { CONFIRM, DRY_RUN, IF_MATCH_TOPOLOGY, SURVIVOR } from './parameters.ts';

const BOTH = ['node', 'coordinator'] as const;
const PROCESS = { tag: 'process', on: BOTH, parameters: [], problems: [] } as const;

const TOPOLOGY = {
  name: 'local',
  replicas: 3,
  chain: ['n1', 'n2', 'n3'],
  nodes: {
    n1: { urls: ['http://localhost:4466'], peer: 'localhost:5466' },
    n2: { urls: ['http://localhost:4467'], peer: 'localhost:5467' },
    n3: { urls: ['http://localhost:4468'], peer: 'localhost:5468' },
  },
  coordinators: { c1: { urls: ['http://localhost:4460'], peer: 'localhost:5460' } },
};
const MEMBERS = ['n1', 'n2', 'n3'].map((node) => ({ node, storeId: `store-of-${node}`, boot: 1 }));

const getTopology: Operation = {
  tag: 'cluster',
  on: BOTH,
  id: 'getTopology',
  summary: 'The topology wanted, and the chain now',
  parameters: [],
  answers: {
    200: {
      description:
        'As far as the one that was asked knows. The coordinator adds `plan` and the ETag that an edit may be bound to.',
      sometimes: ['ETag'],
      content: json('TopologyPage', {
        topology: TOPOLOGY,
        version: 1,
        configuration: {
          epoch: 1,
          members: MEMBERS,
          joiner: null,
          sealed: false,
          fence: 0,
          leaseMs: 200,
          reads: 'tail',
          timeMs: 1767225600000,
        },
        problem: null,
        plan: [],
      }),
    },
  },
  problems: [],
};

const putTopology: Operation = {
  tag: 'cluster',
  on: BOTH,
  id: 'putTopology',
  summary: 'Edit the topology',
  description:
    'The whole topology, as it would stand in the file. Answered when it is on the disk of the coordinator; the steps of its plan are taken after that. A node redirects to the coordinator.',
  parameters: [DRY_RUN, IF_MATCH_TOPOLOGY],
  body: {
    description: 'At most 1 MiB; the content type is not looked at.',
    required: true,
    content: json('Topology', TOPOLOGY),
  },
  answers: {
    200: {
      description: 'Taken; with `dry-run=true` it would be, and there is no ETag.',
      sometimes: ['ETag'],
      content: json('TopologyEdit', { version: 2, plan: ['reorder to n2, n1, n3 (sealed)'], dryRun: false }),
    },
    307: {
      ...REDIRECT,
      description:
        'Of a node: the coordinator answers this. Send it to `Location`, with the same method and body.',
    },
  },
  problems: [
    { code: 'BAD_TOPOLOGY', status: 400 },
    'BAD_PARAMETER',
    'BAD_TEXT',
    'CONFLICTING_CONDITIONS',
    'TOPOLOGY_REFUSED',
    'TOPOLOGY_CONFLICT',
    'TOPOLOGY_TOO_LARGE',
    'NOT_READY',
    'OVERLOADED',
    'OUTCOME_UNKNOWN',
  ],
};

const force: Operation = {
  tag: 'cluster',
  on: ['coordinator'],
  id: 'force',
  summary: 'Make one node the whole chain',
  description:
    'For when all other members are gone for good: every acknowledged write that the survivor does not hold is lost.',
  parameters: [SURVIVOR, CONFIRM],
  answers: {
    200: { description: 'Forced, on disk.', content: json('Forced', { epoch: 9, survivor: 'n1' }) },
  },
  problems: ['BAD_PARAMETER', 'TOPOLOGY_REFUSED', 'NOT_READY', 'OVERLOADED', 'OUTCOME_UNKNOWN'],
};

const getHistory: Operation = {
  tag: 'cluster',
  on: ['coordinator'],
  id: 'getHistory',
  summary: 'The configurations chosen, and why',
  parameters: [],
  answers: {
    200: {
      description: 'Newest last, the latest thousand.',
      content: json('History', {
        configurations: [
          {
            epoch: 2,
            time: '2026-01-01T00:00:00.000Z',
            reason: 'n2 refused connections for 120 ms',
            change: 'removed n2',
            members: ['n1', 'n3'],
          },
        ],
      }),
    },
  },
  problems: [],
};

const getStatus: Operation = {
  ...PROCESS,
  id: 'getStatus',
  summary: 'How the one that is asked is',
  answers: {
    200: {
      description:
        'Of a node: its place in the chain, how far it is, and what requests would wait for. Of the coordinator: what it waits for, and each node as it sees it.',
      content: {
        'application/json': {
          schema: { oneOf: [ref('NodeStatus'), ref('CoordinatorStatus')] },
          example: {
            node: 'c1',
            role: 'coordinator',
            epoch: 1,
            members: ['n1', 'n2', 'n3'],
            topologyVersion: 1,
            problem: null,
            waitingFor: [],
            plan: [],
            nodes: { n1: { heard: true }, n2: { heard: true }, n3: { heard: true } },
          },
        },
      },
    },
  },
};

const getHealth: Operation = {
  ...PROCESS,
  id: 'getHealth',
  summary: 'Is the process well?',
  answers: {
    200: { description: 'It is.', content: json('Health', { well: true, reason: null }) },
  },
  problems: ['BROKEN'],
};

const getReadiness: Operation = {
  ...PROCESS,
  id: 'getReadiness',
  summary: 'Would a request now be answered or redirected?',
  answers: {
    200: { description: 'It would; of a spare too.', content: json('Health', { well: true, reason: null }) },
  },
  problems: ['NOT_READY'],
};

const getMetrics: Operation = {
  ...PROCESS,
  id: 'getMetrics',
  summary: 'Numbers for Prometheus',
  answers: {
    200: {
      description: "Prometheus' text format.",
      content: {
        'text/plain': {
          schema: { type: 'string' },
          example: '# HELP catena_keys keys, now.\n# TYPE catena_keys gauge\ncatena_keys 3\n',
        },
      },
    },
  },
};

const getIndex: Operation = {
  ...PROCESS,
  id: 'getIndex',
  summary: 'What this is, and what it can be asked',
  answers: {
    200: {
      description: 'The routes.',
      content: json('Index', {
        catena: 'a key-value store replicated by chain replication; this is one of its nodes',
        node: 'n1',
        routes: ['GET, HEAD /get/KEY', 'PUT, POST /set/KEY'],
      }),
    },
  },
};

const getOpenApi: Operation = {
  ...PROCESS,
  id: 'getOpenApi',
  summary: 'This document',
  answers: {
    200: {
      description: 'OpenAPI 3.1, the same of every node and of the coordinator.',
      content: {
        'application/json': {
          schema: {
            type: 'object',
            required: ['openapi', 'info', 'paths'],
            properties: { openapi: { const: '3.1.1' } },
          },
          example: { openapi: '3.1.1', info: { title: 'catena', version: '0.1.0' }, paths: {} },
        },
      },
    },
  },
};

/** What a node and a coordinator can be asked beside keys. */
export const PAGE_PATHS = {
  '/topology': { GET: getTopology, HEAD: headOf(getTopology), PUT: putTopology },
  '/force': { POST: force },
  '/history': readable(getHistory),
  '/status': readable(getStatus),
  '/healthz': readable(getHealth),
  '/readyz': readable(getReadiness),
  '/metrics': readable(getMetrics),
  '/openapi.json': readable(getOpenApi),
  '/': readable(getIndex),
} as const;

function readable(get: Operation): { readonly GET: Operation; readonly HEAD: Operation } {
  return { GET: get, HEAD: headOf(get) };
}

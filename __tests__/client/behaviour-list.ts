/** What a command gave: a result, or the error that it rejected with. */
export type Outcome = unknown;

/**
 * A command and what it gives. Strings that begin with `k:` are keys or patterns of them; each behaviour has its own.
 * `scan*` scans to the end, and gives all keys found, each once, in order.
 */
export type Step =
  | { readonly call: Call; readonly gives: Outcome }
  /** A number within these bounds. */
  | { readonly call: Call; readonly between: readonly [number, number] }
  /** It is asked again until it gives this. */
  | { readonly until: Call; readonly gives: Outcome }
  /** Where the three are not of one mind. */
  | {
      readonly call: Call;
      readonly redis: Outcome;
      readonly mock: Outcome;
      readonly catena: Outcome;
      readonly why: string;
    };

export type Call = readonly [command: string, ...args: readonly unknown[]];

export interface Behaviour {
  readonly title: string;
  readonly steps: readonly Step[];
}

/** An outcome: the call rejects, with this in its message. */
export class Fails {
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }
}

/** An outcome: so many results. */
export class Many {
  readonly count: number;

  constructor(count: number) {
    this.count = count;
  }
}

const fails = (message: string): Fails => new Fails(message);
const bytes = (...values: readonly number[]): Buffer => Buffer.from(values);

const NOT_AN_INTEGER = fails('ERR value is not an integer or out of range');
const SYNTAX = fails('ERR syntax error');
const LENIENT = 'the mock takes what Redis refuses';
const NO_INTEGER = 'the mock calculates with what is no integer';
const SMALL_LETTERS = 'the mock passes over what stands in small letters';
const NOT_COUNTED = 'the mock does not count the arguments';
const BATCH_MAX = 'a batch has at most 1000 operations';

/** What users of ioredis rely on, in Redis' own words. The column of Redis is what its manual and source say. */
export const BEHAVIOURS: readonly Behaviour[] = [
  // --- get and set
  {
    title: 'what was set is read, and a second set replaces it',
    steps: [
      { call: ['set', 'k:a', 'one'], gives: 'OK' },
      { call: ['get', 'k:a'], gives: 'one' },
      { call: ['set', 'k:a', 'two'], gives: 'OK' },
      { call: ['get', 'k:a'], gives: 'two' },
    ],
  },
  {
    title: 'a key that is not there is null',
    steps: [
      { call: ['get', 'k:a'], gives: null },
      { call: ['getBuffer', 'k:a'], gives: null },
      { call: ['exists', 'k:a'], gives: 0 },
      { call: ['del', 'k:a'], gives: 0 },
    ],
  },
  {
    title: 'an empty value is a value',
    steps: [
      { call: ['set', 'k:a', ''], gives: 'OK' },
      { call: ['get', 'k:a'], gives: '' },
      { call: ['getBuffer', 'k:a'], gives: bytes() },
      { call: ['exists', 'k:a'], gives: 1 },
      { call: ['mget', 'k:a', 'k:b'], gives: ['', null] },
    ],
  },
  {
    title: 'a number is stored as its text',
    steps: [
      { call: ['set', 'k:a', 5], gives: 'OK' },
      { call: ['get', 'k:a'], gives: '5' },
      { call: ['set', 'k:a', -0.5], gives: 'OK' },
      { call: ['get', 'k:a'], gives: '-0.5' },
    ],
  },
  {
    title: 'a text that looks like JSON stays a text',
    steps: [
      { call: ['set', 'k:a', '{"b": 1}'], gives: 'OK' },
      { call: ['get', 'k:a'], gives: '{"b": 1}' },
      { call: ['set', 'k:a', 'null'], gives: 'OK' },
      { call: ['get', 'k:a'], gives: 'null' },
    ],
  },
  // --- NX and XX
  {
    title: 'NX sets only what is not there',
    steps: [
      { call: ['set', 'k:a', 'one', 'NX'], gives: 'OK' },
      { call: ['set', 'k:a', 'two', 'NX'], gives: null },
      { call: ['get', 'k:a'], gives: 'one' },
      { call: ['setnx', 'k:a', 'two'], gives: 0 },
      { call: ['setnx', 'k:b', 'two'], gives: 1 },
      { call: ['get', 'k:b'], gives: 'two' },
    ],
  },
  {
    title: 'XX sets only what is there',
    steps: [
      { call: ['set', 'k:a', 'one', 'XX'], gives: null },
      { call: ['exists', 'k:a'], gives: 0 },
      { call: ['set', 'k:a', 'one'], gives: 'OK' },
      { call: ['set', 'k:a', 'two', 'XX'], gives: 'OK' },
      { call: ['get', 'k:a'], gives: 'two' },
    ],
  },
  {
    title: 'NX and XX exclude each other',
    steps: [
      { call: ['set', 'k:a', 'v', 'NX', 'XX'], gives: SYNTAX },
      { call: ['exists', 'k:a'], gives: 0 },
    ],
  },
  {
    title: 'a condition and a time go together, in any order',
    steps: [
      { call: ['set', 'k:a', 'v', 'EX', 100, 'NX'], gives: 'OK' },
      { call: ['ttl', 'k:a'], between: [90, 100] },
      { call: ['set', 'k:a', 'v', 'XX', 'PX', 200000], gives: 'OK' },
      { call: ['ttl', 'k:a'], between: [190, 200] },
    ],
  },
  {
    title: 'words may be in small letters',
    steps: [
      { call: ['set', 'k:b', 'v'], gives: 'OK' },
      { call: ['set', 'k:b', 'w', 'nx'], redis: null, mock: 'OK', catena: null, why: SMALL_LETTERS },
      { call: ['set', 'k:a', 'v', 'ex', '100'], gives: 'OK' },
      { call: ['persist', 'k:a'], redis: 1, mock: 0, catena: 1, why: SMALL_LETTERS },
    ],
  },
  // --- EX and PX
  {
    title: 'EX is in seconds, PX in milliseconds',
    steps: [
      { call: ['set', 'k:a', 'v', 'EX', 100], gives: 'OK' },
      { call: ['ttl', 'k:a'], between: [90, 100] },
      { call: ['pttl', 'k:a'], between: [90_000, 100_000] },
      { call: ['set', 'k:b', 'v', 'PX', 100_000], gives: 'OK' },
      { call: ['pttl', 'k:b'], between: [90_000, 100_000] },
      { call: ['setex', 'k:c', 100, 'v'], gives: 'OK' },
      { call: ['ttl', 'k:c'], between: [90, 100] },
      { call: ['psetex', 'k:d', 100_000, 'v'], gives: 'OK' },
      { call: ['ttl', 'k:d'], between: [90, 100] },
    ],
  },
  {
    title: 'what has a time goes when it is over',
    steps: [
      { call: ['set', 'k:a', 'v', 'PX', 60], gives: 'OK' },
      { until: ['get', 'k:a'], gives: null },
      { call: ['exists', 'k:a'], gives: 0 },
      { call: ['ttl', 'k:a'], gives: -2 },
      { call: ['set', 'k:a', 'w', 'NX'], gives: 'OK' },
      { call: ['set', 'k:b', 'v', 'EX', 1], gives: 'OK' },
      { until: ['exists', 'k:b'], gives: 0 },
    ],
  },
  {
    title: 'a plain set lifts the time',
    steps: [
      { call: ['set', 'k:a', 'v', 'EX', 100], gives: 'OK' },
      { call: ['set', 'k:a', 'w'], gives: 'OK' },
      { call: ['ttl', 'k:a'], gives: -1 },
      { call: ['set', 'k:b', 'v', 'EX', 100], gives: 'OK' },
      { call: ['mset', 'k:b', 'w'], gives: 'OK' },
      { call: ['ttl', 'k:b'], gives: -1 },
    ],
  },
  {
    title: 'a time to live is a whole number above 0',
    steps: [
      ...[0, -1].map((time) => ({
        call: ['set', 'k:a', 'v', 'EX', time] as const,
        redis: fails("ERR invalid expire time in 'set' command"),
        mock: 'OK',
        catena: fails("ERR invalid expire time in 'set' command"),
        why: LENIENT,
      })),
      ...[1.5, 'x'].map((time) => ({
        call: ['set', 'k:a', 'v', 'PX', time] as const,
        redis: NOT_AN_INTEGER,
        mock: 'OK',
        catena: NOT_AN_INTEGER,
        why: LENIENT,
      })),
      {
        call: ['setex', 'k:a', 0, 'v'],
        redis: fails("ERR invalid expire time in 'setex' command"),
        mock: 'OK',
        catena: fails("ERR invalid expire time in 'setex' command"),
        why: LENIENT,
      },
    ],
  },
  {
    title: 'what is no word of SET is refused',
    steps: [
      {
        call: ['set', 'k:a', 'v', 'EX', 1, 'PX', 1],
        redis: SYNTAX,
        mock: 'OK',
        catena: SYNTAX,
        why: LENIENT,
      },
      { call: ['set', 'k:a', 'v', 'FAST'], redis: SYNTAX, mock: 'OK', catena: SYNTAX, why: LENIENT },
      { call: ['set', 'k:a', 'v', 'EX'], redis: SYNTAX, mock: 'OK', catena: SYNTAX, why: LENIENT },
    ],
  },
  {
    title: 'words of SET that are not offered',
    steps: [
      { call: ['set', 'k:a', 'one'], gives: 'OK' },
      {
        call: ['set', 'k:a', 'two', 'GET'],
        redis: 'one',
        mock: 'one',
        catena: fails('ERR SET with GET is not offered by redisLike(): use getItem() and checkAndSet()'),
        why: 'what a write read is not remembered: a retry after a lost answer could not tell it',
      },
      {
        call: ['set', 'k:a', 'two', 'KEEPTTL'],
        redis: 'OK',
        mock: 'OK',
        catena: fails('ERR SET with KEEPTTL is not offered by redisLike()'),
        why: 'a set begins a new value, with the time that it is given',
      },
      {
        call: ['set', 'k:a', 'two', 'EXAT', 4102444800],
        redis: 'OK',
        mock: 'OK',
        catena: fails('ERR SET with EXAT is not offered by redisLike(): give EX'),
        why: 'a chain counts time on, and compares no clock with another',
      },
    ],
  },
  // --- del and exists
  {
    title: 'del says how many it removed, each once',
    steps: [
      { call: ['mset', 'k:a', '1', 'k:b', '2', 'k:c', '3'], gives: 'OK' },
      { call: ['del', 'k:a', 'k:none', 'k:b'], gives: 2 },
      { call: ['del', 'k:c', 'k:c'], gives: 1 },
      { call: ['mget', 'k:a', 'k:b', 'k:c'], gives: [null, null, null] },
      { call: ['set', 'k:a', '1'], gives: 'OK' },
      { call: ['del', ['k:a', 'k:b']], gives: 1 },
    ],
  },
  {
    title: 'exists counts a key as often as it is named',
    steps: [
      { call: ['mset', 'k:a', '1', 'k:b', '2'], gives: 'OK' },
      { call: ['exists', 'k:a', 'k:b', 'k:none'], gives: 2 },
      { call: ['exists', 'k:a', 'k:a', 'k:none'], gives: 2 },
    ],
  },
  {
    title: 'a command without its arguments is refused',
    steps: [
      { call: ['del'], gives: fails("ERR wrong number of arguments for 'del' command") },
      { call: ['mget'], gives: fails("ERR wrong number of arguments for 'mget' command") },
      { call: ['mset'], gives: fails("ERR wrong number of arguments for 'mset' command") },
      {
        call: ['exists'],
        redis: fails("ERR wrong number of arguments for 'exists' command"),
        mock: 0,
        catena: fails("ERR wrong number of arguments for 'exists' command"),
        why: NOT_COUNTED,
      },
      {
        call: ['mset', 'k:a', '1', 'k:b'],
        redis: fails("ERR wrong number of arguments for 'mset' command"),
        mock: 'OK',
        catena: fails("ERR wrong number of arguments for 'mset' command"),
        why: NOT_COUNTED,
      },
    ],
  },
  // --- incrby
  {
    title: 'an increment begins at 0 and gives the sum',
    steps: [
      { call: ['incr', 'k:a'], gives: 1 },
      { call: ['incrby', 'k:a', 5], gives: 6 },
      { call: ['incrby', 'k:a', '-2'], gives: 4 },
      { call: ['decr', 'k:a'], gives: 3 },
      { call: ['decrby', 'k:a', 10], gives: -7 },
      { call: ['get', 'k:a'], gives: '-7' },
      { call: ['incrby', 'k:a', 7], gives: 0 },
      { call: ['get', 'k:a'], gives: '0' },
    ],
  },
  {
    title: 'an increment goes on from a text of digits, and from bytes of digits',
    steps: [
      { call: ['set', 'k:a', '41'], gives: 'OK' },
      { call: ['incr', 'k:a'], gives: 42 },
      { call: ['set', 'k:b', Buffer.from('41')], gives: 'OK' },
      { call: ['incr', 'k:b'], gives: 42 },
      { call: ['get', 'k:b'], gives: '42' },
    ],
  },
  {
    title: 'an increment leaves the time as it is',
    steps: [
      { call: ['set', 'k:a', '1', 'EX', 100], gives: 'OK' },
      { call: ['incr', 'k:a'], gives: 2 },
      { call: ['ttl', 'k:a'], between: [90, 100] },
    ],
  },
  {
    title: 'an increment of what is no integer is an error, and changes nothing',
    steps: [
      { call: ['set', 'k:a', 'abc'], gives: 'OK' },
      {
        call: ['incr', 'k:a'],
        redis: NOT_AN_INTEGER,
        mock: Number.NaN,
        catena: NOT_AN_INTEGER,
        why: NO_INTEGER,
      },
      { call: ['get', 'k:a'], redis: 'abc', mock: 'NaN', catena: 'abc', why: NO_INTEGER },
      ...(
        [
          ['1.5', 2.5],
          ['', 1],
          [' 1', 2],
          ['+1', 2],
          ['01', 2],
        ] as const
      ).flatMap(([value, sum]) => [
        { call: ['set', 'k:a', value] as const, gives: 'OK' },
        {
          call: ['incr', 'k:a'] as const,
          redis: NOT_AN_INTEGER,
          mock: sum,
          catena: NOT_AN_INTEGER,
          why: NO_INTEGER,
        },
      ]),
      { call: ['set', 'k:a', '-0'], gives: 'OK' },
      {
        call: ['incr', 'k:a'],
        redis: NOT_AN_INTEGER,
        mock: 1,
        catena: 1,
        why: 'the chain reads integers as JSON writes them, where -0 is one',
      },
    ],
  },
  {
    title: 'an increment by what is no integer is an error',
    steps: [
      { call: ['set', 'k:a', '1'], gives: 'OK' },
      {
        call: ['incrby', 'k:a', 1.5],
        redis: NOT_AN_INTEGER,
        mock: 2,
        catena: NOT_AN_INTEGER,
        why: NO_INTEGER,
      },
      { call: ['set', 'k:a', '1'], gives: 'OK' },
      {
        call: ['incrby', 'k:a', 'x'],
        redis: NOT_AN_INTEGER,
        mock: Number.NaN,
        catena: NOT_AN_INTEGER,
        why: NO_INTEGER,
      },
    ],
  },
  {
    title: 'integers end where JavaScript has them exact',
    steps: [
      { call: ['set', 'k:a', '9007199254740990'], gives: 'OK' },
      { call: ['incr', 'k:a'], gives: 9007199254740991 },
      {
        call: ['incr', 'k:a'],
        redis: 9007199254740992,
        mock: 9007199254740992,
        catena: fails('ERR increment or decrement would overflow'),
        why: 'beyond 2⁵³−1 the sum that a program gets would not be the one that is stored',
      },
      { call: ['set', 'k:a', '9223372036854775807'], gives: 'OK' },
      {
        call: ['incr', 'k:a'],
        redis: fails('ERR increment or decrement would overflow'),
        mock: 9223372036854776000,
        catena: NOT_AN_INTEGER,
        why: 'for the chain that is out of range before it is incremented',
      },
    ],
  },
  // --- expire and ttl
  {
    title: 'expire gives a time to what is there',
    steps: [
      { call: ['set', 'k:a', 'v'], gives: 'OK' },
      { call: ['expire', 'k:a', 100], gives: 1 },
      { call: ['ttl', 'k:a'], between: [90, 100] },
      { call: ['pexpire', 'k:a', 200_000], gives: 1 },
      { call: ['pttl', 'k:a'], between: [190_000, 200_000] },
      { call: ['get', 'k:a'], gives: 'v' },
      { call: ['expire', 'k:none', 100], gives: 0 },
      { call: ['pexpire', 'k:a', 60], gives: 1 },
      { until: ['get', 'k:a'], gives: null },
    ],
  },
  {
    title: 'a time that is over removes at once',
    steps: [
      { call: ['mset', 'k:a', '1', 'k:b', '2'], gives: 'OK' },
      { call: ['expire', 'k:a', 0], gives: 1 },
      { call: ['pexpire', 'k:b', -1], gives: 1 },
      { call: ['exists', 'k:a', 'k:b'], gives: 0 },
      { call: ['expire', 'k:a', 0], gives: 0 },
    ],
  },
  {
    title: 'persist lifts the time',
    steps: [
      { call: ['set', 'k:a', 'v', 'EX', 100], gives: 'OK' },
      { call: ['persist', 'k:a'], gives: 1 },
      { call: ['ttl', 'k:a'], gives: -1 },
      { call: ['persist', 'k:a'], gives: 0 },
      { call: ['persist', 'k:none'], gives: 0 },
      { call: ['get', 'k:a'], gives: 'v' },
    ],
  },
  {
    title: 'ttl is -1 without a time and -2 without the key',
    steps: [
      { call: ['set', 'k:a', 'v'], gives: 'OK' },
      { call: ['ttl', 'k:a'], gives: -1 },
      { call: ['pttl', 'k:a'], gives: -1 },
      { call: ['ttl', 'k:none'], gives: -2 },
      { call: ['pttl', 'k:none'], gives: -2 },
    ],
  },
  {
    title: 'expire takes whole numbers',
    steps: [
      { call: ['set', 'k:a', 'v'], gives: 'OK' },
      { call: ['expire', 'k:a', 1.5], redis: NOT_AN_INTEGER, mock: 1, catena: NOT_AN_INTEGER, why: LENIENT },
      {
        call: ['expire', 'k:b', 100, 'NX'],
        redis: 0,
        mock: 0,
        catena: fails('ERR EXPIRE with NX is not offered by redisLike()'),
        why: 'the chain has no such condition',
      },
      {
        call: ['expire', 'k:a', 3_153_600_000],
        redis: 1,
        mock: 1,
        catena: fails('at most 315360000'),
        why: 'a time to live is at most ten years; leave it away for longer',
      },
    ],
  },
  // --- mget and mset
  {
    title: 'mget gives values in the order asked for, null for what is not there',
    steps: [
      { call: ['mset', 'k:a', '1', 'k:b', '2'], gives: 'OK' },
      { call: ['mget', 'k:b', 'k:none', 'k:a', 'k:b'], gives: ['2', null, '1', '2'] },
      { call: ['mget', ['k:a', 'k:b']], gives: ['1', '2'] },
    ],
  },
  {
    title: 'mset takes pairs, an object, a map or a list',
    steps: [
      { call: ['mset', 'k:a', '1', 'k:b', 2], gives: 'OK' },
      { call: ['mget', 'k:a', 'k:b'], gives: ['1', '2'] },
      { call: ['mset', { 'k:a': '3', 'k:b': '4' }], gives: 'OK' },
      { call: ['mget', 'k:a', 'k:b'], gives: ['3', '4'] },
      {
        call: [
          'mset',
          new Map([
            ['k:a', '5'],
            ['k:b', '6'],
          ]),
        ],
        gives: 'OK',
      },
      { call: ['mget', 'k:a', 'k:b'], gives: ['5', '6'] },
      { call: ['mset', ['k:a', '7', 'k:b', '8']], gives: 'OK' },
      {
        call: ['mget', 'k:a', 'k:b'],
        redis: ['7', '8'],
        mock: ['5', '6'],
        catena: ['7', '8'],
        why: 'the mock takes a list for an object, and sets the keys 0, 1, 2 and 3',
      },
      { call: ['mset', 'k:a', '9', 'k:a', '10'], gives: 'OK' },
      { call: ['get', 'k:a'], gives: '10' },
    ],
  },
  {
    title: 'at one instant up to 1000 keys',
    steps: [
      { call: ['mget', ...keysOf(1000)], gives: new Many(1000) },
      {
        call: ['mget', ...keysOf(1001)],
        redis: new Many(1001),
        mock: new Many(1001),
        catena: fails('give at most 1000 at a time'),
        why: BATCH_MAX,
      },
      {
        call: ['del', ...keysOf(1001)],
        redis: 0,
        mock: 0,
        catena: fails('1001 operations and may have 1000'),
        why: BATCH_MAX,
      },
    ],
  },
  // --- scan
  {
    title: 'a scan to the end finds all keys, however many at a time',
    steps: [
      { call: ['mset', ...keysOf(25).flatMap((key) => [key, 'v'])], gives: 'OK' },
      { call: ['scan*', 'MATCH', 'k:*', 'COUNT', 1], gives: keysOf(25).sort() },
      { call: ['scan*', 'MATCH', 'k:*', 'COUNT', 7], gives: keysOf(25).sort() },
      { call: ['scan*', 'MATCH', 'k:*', 'COUNT', 5000], gives: keysOf(25).sort() },
      { call: ['scan*', 'MATCH', 'k:*'], gives: keysOf(25).sort() },
    ],
  },
  {
    title: 'a scan ends with cursor 0',
    steps: [
      { call: ['mset', 'k:a', '1', 'k:b', '2'], gives: 'OK' },
      { call: ['scan', 0, 'MATCH', 'k:*', 'COUNT', 100], gives: ['0', ['k:a', 'k:b']] },
      { call: ['scan', '0', 'match', 'k:a', 'count', '100'], gives: ['0', ['k:a']] },
      { call: ['scan', '0', 'MATCH', 'k:none*', 'COUNT', 100], gives: ['0', []] },
    ],
  },
  {
    title: 'patterns know *, ?, ranges, their opposite, and what is escaped',
    steps: [
      {
        call: ['mset', ...['a1', 'a2', 'a3', 'ab', 'b1', 'a*', 'a[1]'].flatMap((key) => [`k:${key}`, 'v'])],
        gives: 'OK',
      },
      { call: ['scan*', 'MATCH', 'k:a?', 'COUNT', 100], gives: ['k:a*', 'k:a1', 'k:a2', 'k:a3', 'k:ab'] },
      { call: ['scan*', 'MATCH', 'k:*1', 'COUNT', 100], gives: ['k:a1', 'k:b1'] },
      { call: ['scan*', 'MATCH', 'k:*1*', 'COUNT', 100], gives: ['k:a1', 'k:a[1]', 'k:b1'] },
      { call: ['scan*', 'MATCH', 'k:a[1-2]', 'COUNT', 100], gives: ['k:a1', 'k:a2'] },
      { call: ['scan*', 'MATCH', 'k:[ab]1', 'COUNT', 100], gives: ['k:a1', 'k:b1'] },
      { call: ['scan*', 'MATCH', 'k:a1', 'COUNT', 100], gives: ['k:a1'] },
      {
        call: ['scan*', 'MATCH', 'k:a[^1-2]', 'COUNT', 100],
        redis: ['k:a*', 'k:a3', 'k:ab'],
        mock: ['k:a1', 'k:a2'],
        catena: ['k:a*', 'k:a3', 'k:ab'],
        why: 'the mock takes ^ for a character of the range',
      },
      {
        call: ['scan*', 'MATCH', 'k:a\\[1\\]', 'COUNT', 100],
        redis: ['k:a[1]'],
        mock: [],
        catena: ['k:a[1]'],
        why: 'the mock does not know the backslash',
      },
      {
        call: ['scan*', 'MATCH', 'k:a\\*', 'COUNT', 100],
        redis: ['k:a*'],
        mock: [],
        catena: ['k:a*'],
        why: 'the mock does not know the backslash',
      },
    ],
  },
  {
    title: 'a question mark stands for one character',
    steps: [
      { call: ['mset', 'k:é', '1', 'k:🙂', '2'], gives: 'OK' },
      {
        call: ['scan*', 'MATCH', 'k:?', 'COUNT', 100],
        redis: [],
        mock: ['k:é'],
        catena: ['k:é', 'k:🙂'],
        why: 'for Redis it is one byte, for the mock a unit of UTF-16, for catena a character of Unicode',
      },
    ],
  },
  {
    title: 'what is no word of SCAN is refused',
    steps: [
      {
        call: ['scan', 'x'],
        redis: fails('ERR invalid cursor'),
        mock: fails('Cursor must be integer'),
        catena: fails('ERR invalid cursor'),
        why: 'the mock has words of its own',
      },
      {
        call: ['scan', '0', 'FOO', 1],
        redis: SYNTAX,
        mock: fails('Uknown option FOO'),
        catena: SYNTAX,
        why: 'the mock has words of its own',
      },
      {
        call: ['scan', '0', 'MATCH'],
        redis: SYNTAX,
        mock: fails('Cannot read properties'),
        catena: SYNTAX,
        why: 'the mock has words of its own',
      },
      { call: ['scan', '0', 'COUNT', 0], redis: SYNTAX, mock: ['0', []], catena: SYNTAX, why: LENIENT },
      {
        call: ['scan', '0', 'COUNT', 'x'],
        redis: NOT_AN_INTEGER,
        mock: fails('count must be integer'),
        catena: NOT_AN_INTEGER,
        why: 'the mock has words of its own',
      },
      {
        call: ['scan', '0', 'COUNT', 100, 'MATCH', 'k:*'],
        redis: ['0', []],
        mock: fails('BAD Syntax'),
        catena: ['0', []],
        why: 'the mock wants MATCH first',
      },
      {
        call: ['scan', '0', 'MATCH', 'k:*', 'TYPE', 'string'],
        redis: ['0', []],
        mock: fails('BAD Syntax'),
        catena: fails('ERR SCAN with TYPE is not offered by redisLike(): leave it out'),
        why: 'there is one type',
      },
    ],
  },
  // --- unicode and binary
  {
    title: 'unicode comes back as it was, in keys and values',
    steps: [
      { call: ['set', 'k:ключ 鍵 🙂', 'wärme € 🙂'], gives: 'OK' },
      { call: ['get', 'k:ключ 鍵 🙂'], gives: 'wärme € 🙂' },
      { call: ['mget', 'k:ключ 鍵 🙂'], gives: ['wärme € 🙂'] },
      { call: ['scan*', 'MATCH', 'k:*鍵*', 'COUNT', 100], gives: ['k:ключ 鍵 🙂'] },
      { call: ['set', 'k:a', '\uFEFFwith a mark'], gives: 'OK' },
      { call: ['get', 'k:a'], gives: '\uFEFFwith a mark' },
    ],
  },
  {
    title: 'a key may hold slashes, dots, percent signs, line ends and NUL',
    steps: ['k:a/b', 'k:../c', 'k:%2F', 'k:a\nb', 'k:a\0b', 'k:?x=1#y'].flatMap((key) => [
      { call: ['set', key, 'v'] as const, gives: 'OK' },
      { call: ['get', key] as const, gives: 'v' },
      { call: ['incrby', `${key}+`, 2] as const, gives: 2 },
      { call: ['del', key, `${key}+`] as const, gives: 2 },
    ]),
  },
  {
    title: 'bytes go in, and come back as a Buffer',
    steps: [
      { call: ['set', 'k:a', bytes(0, 255, 128, 10)], gives: 'OK' },
      { call: ['getBuffer', 'k:a'], gives: bytes(0, 255, 128, 10) },
      { call: ['get', 'k:a'], gives: '\0\uFFFD\uFFFD\n' },
      { call: ['set', 'k:a', 'é'], gives: 'OK' },
      { call: ['getBuffer', 'k:a'], gives: bytes(0xc3, 0xa9) },
      { call: ['set', 'k:a', Buffer.from('text')], gives: 'OK' },
      { call: ['get', 'k:a'], gives: 'text' },
      { call: ['set', 'k:a', bytes()], gives: 'OK' },
      { call: ['get', 'k:a'], gives: '' },
    ],
  },
  {
    title: 'half a surrogate pair is no text',
    steps: [
      {
        call: ['set', 'k:a', '\ud800'],
        redis: 'OK',
        mock: 'OK',
        catena: fails('half a surrogate pair, which UTF-8 has no bytes for'),
        why: 'ioredis sends U+FFFD in its place; here nothing is stored that does not come back as it was',
      },
    ],
  },
  // --- keys and values that are none
  {
    title: 'what is neither text nor number nor bytes is no value',
    steps: [
      ...(
        [
          [null, 'null'],
          [undefined, 'undefined'],
          [{ a: 1 }, 'object'],
          [true, 'boolean'],
        ] as const
      ).map(([value, name]) => ({
        call: ['set', 'k:a', value] as const,
        redis: 'OK',
        mock: 'OK',
        catena: fails(`ERR a value is a string, a number or bytes, not ${name}`),
        why: 'ioredis makes a text of anything ("[object Object]", the empty text): that is a mistake more often than a wish',
      })),
    ],
  },
  {
    title: 'a key has 1 to 1024 bytes of UTF-8',
    steps: [
      { call: ['set', `k:${'a'.repeat(900)}`, 'v'], gives: 'OK' },
      {
        call: ['set', '', 'v'],
        redis: 'OK',
        mock: 'OK',
        catena: fails('the key is the empty string'),
        why: 'a key stands in the path of a URL',
      },
      {
        call: ['set', `k:${'a'.repeat(1024)}`, 'v'],
        redis: 'OK',
        mock: 'OK',
        catena: fails('a key has at most 1024 bytes'),
        why: 'limits.keyBytes of the topology',
      },
      {
        call: ['set', bytes(0xff), 'v'],
        redis: 'OK',
        mock: 'OK',
        catena: fails('ERR a key has to be UTF-8'),
        why: 'keys are text everywhere: in URLs, in JSON, in the order of pages',
      },
    ],
  },
];

function keysOf(count: number): string[] {
  return Array.from({ length: count }, (_, at) => `k:${at}`);
}

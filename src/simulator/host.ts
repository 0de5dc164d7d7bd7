import type { CoordinatorDriver } from '../runtime/coordinator-driver.ts';
import type { Node } from '../runtime/node.ts';
import type { SimDisk } from './disk.ts';
import type { Machine, Process } from './machine.ts';

/** A machine of the world with what belongs to it. */
export interface Host {
  readonly machine: Machine;
  readonly disk: SimDisk;
  /** What runs there: a node, the coordinator, or nothing. */
  running: Running | null;
  /** Whether the machine itself is on: it answers that nobody listens, where nobody does. */
  hasPower: boolean;
  /** Something was or is wrong with its disk. */
  isTroubled: boolean;
  /** When it is to be started again, in ms of the world; `null` when nobody has that in mind. */
  startAtMs: number | null;
}

/** A process with the program that runs in it. */
export interface Running {
  readonly process: Process;
  /** In ms of the world. */
  readonly startedMs: number;
  readonly node: Node | null;
  readonly coordinator: CoordinatorDriver | null;
  /** Called when it dies: the caller sees its connection reset. */
  readonly lost: Set<() => void>;
}

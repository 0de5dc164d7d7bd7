import pretty from 'pino-pretty';

/** pino's number for `warn`. */
const WARN = 40;

/** How log lines look for people. */
export interface PrettyOptions {
  /** Whether the terminal shows colours. */
  readonly colors: boolean;
  /** Fields that are left out. */
  readonly without: readonly string[];
  /** Leaves out all fields of lines below a warning. */
  readonly brief: boolean;
}

/** Turns one of our JSON log lines into one for people. Anything else than JSON comes back as it is. */
export function prettyLines({ colors, without, brief }: PrettyOptions): (line: string) => string {
  const options = {
    colorize: colors,
    ignore: without.join(','),
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
  };
  const full = pretty.prettyFactory(options);
  const short = brief ? pretty.prettyFactory({ ...options, hideObject: true }) : full;
  return (line) => (levelOf(line) < WARN ? short(line) : full(line));
}

/** Of a line that is no JSON: a warning's, so that nothing of it is hidden. */
function levelOf(line: string): number {
  return Number(/^\{"level":(\d+)/.exec(line)?.[1] ?? WARN);
}

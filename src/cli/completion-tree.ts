import type { Argument, Command, Option } from 'commander';

/** What may stand at a place of a command line: a set of words, a file, a folder, or anything. */
export type Values = { readonly words: readonly string[] } | 'file' | 'folder' | 'any';

/** A command, `catena` itself included, and what may follow it. */
export interface Place {
  /** Its words behind `catena`, each with a blank before it: ` topology check`; empty for `catena`. */
  readonly path: string;
  readonly commands: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly CompletedOption[];
  readonly argument: Values;
}

/** An option of a command. */
export interface CompletedOption {
  /** With its dashes. */
  readonly flag: string;
  readonly description: string;
  /** `null` for a switch. */
  readonly value: Values | null;
}

/** Every command of the tree, `program` first. */
export function placesOf(program: Command): readonly Place[] {
  return placesBelow(program, '');
}

function placesBelow(command: Command, path: string): readonly Place[] {
  const help: CompletedOption = { flag: '--help', description: 'how it is used', value: null };
  const place: Place = {
    path,
    commands: command.commands.map((it) => ({ name: it.name(), description: it.description() })),
    options: [...command.options.flatMap(optionOf), help],
    argument: valuesOf(command.registeredArguments[0]),
  };
  return [place, ...command.commands.flatMap((it) => placesBelow(it, `${path} ${it.name()}`))];
}

function optionOf(option: Option): readonly CompletedOption[] {
  if (option.long === undefined || option.long === null || option.hidden) return [];
  const value = option.required || option.optional ? valuesIn(option.flags, option.argChoices) : null;
  return [{ flag: option.long, description: option.description, value }];
}

function valuesOf(argument: Argument | undefined): Values {
  return argument === undefined ? 'any' : valuesIn(`<${argument.name()}>`, argument.argChoices);
}

/** What stands in the angle brackets says what it is. */
function valuesIn(text: string, choices: readonly string[] | undefined): Values {
  if (choices !== undefined) return { words: choices };
  if (/[<[]file[>\]]/.test(text)) return 'file';
  return /[<[]dir[>\]]/.test(text) ? 'folder' : 'any';
}

import type { Place, Values } from './completion-tree.ts';

/** A script for bash 4 and later that completes at these places. Names of commands and options hold nothing that a shell reads. */
export function bashScript(places: readonly Place[]): string {
  return `# Completes catena in bash: source it, or put it where bash-completion looks.
_catena() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} place='' at
  COMPREPLY=()
  for ((at = 1; at < COMP_CWORD; at++)); do
    case "$place \${COMP_WORDS[at]}" in
      ${paths(places)}) place="$place \${COMP_WORDS[at]}" ;;
    esac
  done
  case "$place $before" in
${places.flatMap(optionCases).join('\n')}
  esac
  case "$place" in
${places.map(placeCase).join('\n')}
  esac
}
complete -o bashdefault -F _catena catena
`;
}

function paths(places: readonly Place[]): string {
  return places
    .filter(({ path }) => path !== '')
    .map(({ path }) => `'${path}'`)
    .join('|');
}

/** Behind an option that takes a value. */
function optionCases({ path, options }: Place): readonly string[] {
  return options.flatMap(({ flag, value }) =>
    value === null ? [] : [`    '${path} ${flag}') ${replies(value, [])}; return ;;`],
  );
}

function placeCase({ path, commands, options, argument }: Place): string {
  const flags = options.map(({ flag }) => flag);
  const names = commands.map(({ name }) => name);
  return `    '${path}') if [[ $word == -* ]]; then ${replies({ words: flags }, [])}; else ${replies(argument, names)}; fi ;;`;
}

function replies(values: Values, more: readonly string[]): string {
  if (values === 'file') return completing('-f -- ');
  if (values === 'folder') return completing('-d -- ');
  const words = [...more, ...(values === 'any' ? [] : values.words)];
  return words.length === 0 ? 'COMPREPLY=()' : completing(`-W '${words.join(' ')}' -- `);
}

/** Into an array by its lines: a file's name may hold blanks. */
function completing(how: string): string {
  return `mapfile -t COMPREPLY < <(compgen ${how}"$word")`;
}

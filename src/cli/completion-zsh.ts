import type { CompletedOption, Place, Values } from './completion-tree.ts';

/** A script for zsh that completes at these places. */
export function zshScript(places: readonly Place[]): string {
  const paths = places.filter(({ path }) => path !== '').map(({ path }) => quoted(path));
  return `#compdef catena
# Completes catena in zsh: put it as _catena into a folder of $fpath, or source it.
_catena() {
  local place='' before=\${words[CURRENT-1]} at
  local -a found
  for ((at = 2; at < CURRENT; at++)); do
    case "$place \${words[at]}" in
      (${paths.join('|')}) place="$place \${words[at]}" ;;
    esac
  done
  case "$place $before" in
${places.flatMap(optionCases).join('\n')}
  esac
  case "$place" in
${places.map(placeCase).join('\n')}
  esac
}
if [[ $funcstack[1] == _catena ]]; then _catena "$@"; else compdef _catena catena; fi
`;
}

function optionCases({ path, options }: Place): readonly string[] {
  return options.flatMap(({ flag, value }) =>
    value === null ? [] : [`    (${quoted(`${path} ${flag}`)}) ${offered(value)}; return ;;`],
  );
}

function placeCase({ path, commands, options, argument }: Place): string {
  const behind =
    commands.length > 0
      ? `found=(${commands.map(command).join(' ')}); _describe command found`
      : offered(argument);
  return `    (${quoted(path)}) if [[ $words[CURRENT] == -* ]]; then found=(${options.map(option).join(' ')}); _describe option found; else ${behind}; fi ;;`;
}

function offered(values: Values): string {
  if (values === 'file') return '_files';
  if (values === 'folder') return '_files -/';
  return values === 'any'
    ? "_message 'a value'"
    : `found=(${values.words.map(quoted).join(' ')}); _describe value found`;
}

function command({ name, description }: { readonly name: string; readonly description: string }): string {
  return described(name, description);
}

function option({ flag, description }: CompletedOption): string {
  return described(flag, description);
}

/** A colon ends the name. */
function described(name: string, description: string): string {
  return quoted(`${name}:${description.replaceAll(':', '\\:')}`);
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

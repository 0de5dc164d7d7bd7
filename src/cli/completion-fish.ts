import type { Place, Values } from './completion-tree.ts';

/** A script for fish that completes at these places. */
export function fishScript(places: readonly Place[]): string {
  const paths = places.filter(({ path }) => path !== '').map(({ path }) => quoted(path));
  return `# Completes catena in fish: put it into ~/.config/fish/completions/catena.fish, or source it.
function __catena_at
    set -l place ''
    for word in (commandline -opc)[2..-1]
        if contains -- "$place $word" ${paths.join(' ')}
            set place "$place $word"
        end
    end
    test "$place" = "$argv[1]"
end
complete -c catena -f
${places.flatMap(linesOf).join('\n')}
`;
}

function linesOf({ path, commands, options, argument }: Place): readonly string[] {
  const at = `complete -c catena -n ${quoted(`__catena_at ${quoted(path)}`)}`;
  const argumentText = commands.length > 0 || argument === 'any' ? [] : [`${at} ${offered(argument)}`];
  return [
    ...commands.map(({ name, description }) => `${at} -a ${name} -d ${quoted(description)}`),
    ...options.map(({ flag, description, value }) => {
      const behind = value === null ? '' : ` -r ${offered(value)}`;
      return `${at} -l ${flag.slice(2)} -d ${quoted(description)}${behind}`;
    }),
    ...argumentText,
  ];
}

function offered(values: Values): string {
  if (values === 'any') return '-f';
  if (values === 'file') return '-F';
  if (values === 'folder') return "-f -a '(__fish_complete_directories)'";
  return `-f -a ${quoted(values.words.join(' '))}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

import { Argument, type Command } from 'commander';
import { bashScript } from './completion-bash.ts';
import { fishScript } from './completion-fish.ts';
import { placesOf } from './completion-tree.ts';
import { zshScript } from './completion-zsh.ts';
import { print, ReaderLeft } from './output.ts';

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

/** `catena completion SHELL`; to be added last, when all others are there. */
export function addCompletion(program: Command): void {
  program
    .command('completion')
    .description('Prints a script that has a shell complete the commands and options of catena.')
    .addArgument(new Argument('<shell>', 'the shell').choices(Object.keys(SCRIPTS)))
    .addHelpText(
      'after',
      '\nExample:\n  $ catena completion bash > ~/.local/share/bash-completion/completions/catena\n  $ catena completion zsh > ~/.zfunc/_catena\n  $ catena completion fish > ~/.config/fish/completions/catena.fish',
    )
    .action(async (shell: keyof typeof SCRIPTS) => {
      try {
        await print(SCRIPTS[shell](placesOf(program)));
      } catch (error) {
        if (!(error instanceof ReaderLeft)) throw error;
      }
    });
}

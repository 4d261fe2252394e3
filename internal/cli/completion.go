package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

// newCompletion stands in for cobra's own, which takes an unknown shell for a wish for help.
func newCompletion(w *world) *cobra.Command {
	return &cobra.Command{
		Use:       "completion bash|zsh|fish|powershell",
		Short:     "Print a script that completes commands in a shell",
		Long:      "Prints a script that lets a shell complete commands, flags and the words of closed lists.",
		Example:   "  source <(enricher completion bash)\n  enricher completion zsh > \"${fpath[1]}/_enricher\"\n  enricher completion fish > ~/.config/fish/completions/enricher.fish",
		Args:      arguments(1, 1, "one of bash, zsh, fish, powershell"),
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := known("completion", args, cmd.ValidArgs); err != nil {
				return err
			}

			if err := script(cmd.Root(), w, args[0]); err != nil {
				return fmt.Errorf("write completion: %w", err)
			}

			return nil
		},
	}
}

//nolint:wrapcheck // the caller says what was written
func script(root *cobra.Command, w *world, shell string) error {
	const descriptions = true

	switch shell {
	case "bash":
		return root.GenBashCompletionV2(w.out, descriptions)
	case "zsh":
		return root.GenZshCompletion(w.out)
	case "fish":
		return root.GenFishCompletion(w.out, descriptions)
	default:
		return root.GenPowerShellCompletionWithDesc(w.out)
	}
}

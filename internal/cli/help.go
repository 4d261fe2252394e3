package cli

import (
	"context"

	"github.com/spf13/cobra"
)

// runRoot runs a command line. That help is asked for what is no command is a mistake, where cobra shows the help of the group.
func runRoot(ctx context.Context, root *cobra.Command) error {
	var mistake error

	show := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		if mistake = noCommand(cmd, cmd.Flags().Args()); mistake == nil {
			show(cmd, args)
		}
	})

	root.InitDefaultHelpCmd() // for its completion

	if help, _, err := root.Find([]string{"help"}); err == nil {
		help.Run, help.RunE = nil, showHelp
	}

	if err := root.ExecuteContext(ctx); err != nil {
		return err //nolint:wrapcheck // each command says itself what it could not do
	}

	return mistake
}

// showHelp is what `enricher help` does.
func showHelp(cmd *cobra.Command, args []string) error {
	asked, rest, err := cmd.Root().Find(args)
	if err == nil {
		err = noCommand(asked, rest)
	}

	if err != nil {
		return err
	}

	asked.InitDefaultHelpFlag() // which the help lists

	return asked.Help() //nolint:wrapcheck // as in runRoot
}

// noCommand says that the first of a group's arguments names none of its commands; nil for all that is no group.
func noCommand(cmd *cobra.Command, args []string) error {
	if !cmd.HasSubCommands() {
		return nil
	}

	return cmd.ValidateArgs(args) //nolint:wrapcheck // see group
}

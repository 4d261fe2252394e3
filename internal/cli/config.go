package cli

import (
	"fmt"

	yaml "github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/callstream/enricher/internal/config"
)

func newConfig(w *world) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "config",
		Short: "Check, show and describe configurations",
		Long: `Checks a configuration, shows what is in force, or prints the JSON Schema that
editors use. docs/configuration.md lists the keys.`,
		Example: `  enricher config validate enricher.yaml
  enricher config show -c enricher.yaml
  enricher config schema > schema.json`,
	})
	cmd.AddCommand(newConfigValidate(w), newConfigShow(w), newConfigSchema(w))

	return cmd
}

// configFlag adds -c.
func configFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVarP(path, "config", "c", "", "configuration `file`")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
}

// oneFile is the file that is named by -c or as an argument; "" if by neither.
func oneFile(cmd *cobra.Command, flag string, args []string) (string, error) {
	if flag != "" && len(args) > 0 {
		return "", usagef("%s: name the file once, either with -c or as an argument", cmd.CommandPath())
	}

	if len(args) > 0 {
		return args[0], nil
	}

	return flag, nil
}

func newConfigValidate(w *world) *cobra.Command {
	var flag string

	cmd := &cobra.Command{
		Use:   "validate FILE",
		Short: "Find the mistakes in a configuration",
		Long: `Reads a configuration and all that it names (environment variables, files, catalog
overlays) and reports all mistakes at once, each with file, line and column. Only what
is asked of the catalog, by enrich.opt_in and retry.policies, waits until the overlays
are right. Kafka is not spoken to. Exit code 2 if anything is wrong.`,
		Example: "  enricher config validate enricher.yaml\n  enricher config validate -c enricher.yaml",
		Args:    arguments(0, 1, "one configuration file"),
	}
	configFlag(cmd, &flag)

	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		file, err := oneFile(cmd, flag, args)
		if err != nil {
			return err
		}

		if file == "" {
			return usagef("%s wants a configuration file, such as config/enricher.yaml", cmd.CommandPath())
		}

		if _, err := loadConfig(file); err != nil {
			return err
		}

		return w.painter(w.out).show(w.out, file+": ok\n")
	}

	return cmd
}

func newConfigShow(w *world) *cobra.Command {
	var flag string

	cmd := &cobra.Command{
		Use:   "show [FILE]",
		Short: "Show the configuration in force, defaults included",
		Long: `Shows every key with the value in force. What came from ${file:…} or ${VAR} shows as ***,
and so do secrets. Without a file it shows the defaults.`,
		Example: "  enricher config show -c enricher.yaml\n  enricher config show -o json",
		Args:    arguments(0, 1, "at most one configuration file"),
	}
	configFlag(cmd, &flag)
	out := outputFlag(cmd, asYAML, asJSON)

	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		file, err := oneFile(cmd, flag, args)
		if err != nil {
			return err
		}

		cfg := config.Default()
		if file != "" {
			if cfg, err = loadConfig(file); err != nil {
				return err
			}
		}

		return showConfig(w, cfg, out.value)
	}

	return cmd
}

func showConfig(w *world, cfg *config.Config, format string) error {
	show := cfg.YAML
	if format == asJSON {
		show = cfg.JSON
	}

	text, err := show()

	if err == nil && format == asYAML && harmful(string(text)) {
		var tree yaml.MapSlice
		if err = yaml.UnmarshalWithOptions(text, &tree, yaml.UseOrderedMap()); err == nil {
			return writeYAML(w.out, tree)
		}
	}

	if err != nil {
		return fmt.Errorf("show configuration: %w", err)
	}

	if format == asJSON {
		text = escapeJSON(text)
	}

	return write(w.out, string(text))
}

func newConfigSchema(w *world) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the configuration",
		Long: `Prints the JSON Schema (draft 2020-12) of the configuration. An editor with a YAML
language server completes and checks by it if the first line of the file is

  # yaml-language-server: $schema=schema.json`,
		Example: "  enricher config schema > schema.json",
		Args:    arguments(0, 0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			text, err := config.Schema(vocabulary())
			if err != nil {
				return fmt.Errorf("print schema: %w", err)
			}

			return write(w.out, string(text))
		},
	}
}

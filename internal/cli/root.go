package cli

import (
	"github.com/spf13/cobra"
)

func newRoot(w *world) *cobra.Command {
	root := group(&cobra.Command{
		Use:   "enricher",
		Short: "Add what hangup-cause codes mean to call events",
		Long: `enricher reads raw call events from Kafka, finds the hangup-cause code in each, adds
what the code means and whether to dial again, and writes the enriched events.

Exit codes: 0 done; 1 failed; 2 the command line, the configuration or a catalog
overlay is wrong. Colours appear on a terminal only, and not if NO_COLOR is set.`,
		Example: `  enricher demo                                  watch it work, with nothing installed
  enricher run -c enricher.yaml                  the service
  enricher explain 3010                          what a code means
  enricher pipe < events.ndjson                  enrich lines, without Kafka
  enricher config validate enricher.yaml         find its mistakes`,
		SilenceErrors: true,
		SilenceUsage:  true,
	})
	root.SetIn(w.in)
	root.SetOut(w.out)
	root.SetErr(w.err)
	root.SetFlagErrorFunc(flagError)

	demo := newDemo(w)
	demo.PreRun = func(*cobra.Command, []string) { w.finishes() } // it reads all that it has written, and reports

	root.AddCommand(
		demo,
		newRun(w),
		newDelay(w),
		newPipe(w),
		newExplain(w),
		newTest(w),
		newReplay(w),
		newCatalog(w),
		newConfig(w),
		newDoctor(w),
		newVersion(w),
		newCompletion(w),
	)
	versionFlag(w, root)

	return root
}

// Image builds what is deployed: the container image, and the archives of a release. It compiles the enricher beside it;
// `make image` and `make dist` call it, and docs/image.md says what comes out.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/callstream/enricher/deploy/image/internal/build"
	"github.com/callstream/enricher/deploy/image/internal/files"
)

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

const usage = `usage: image VERB [flags]

  image    an OCI image for amd64 and arm64, as a directory; -push also sends it to a registry
  dist     archives, checksums and bills of materials for linux, darwin and windows
  rootfs   the image's files for one architecture, as a directory; the Dockerfile copies it`

// errUsage is wrong use of the command line. What is wrong has been said by then.
var errUsage = errors.New("wrong arguments")

// options are the flags of all verbs.
type options struct {
	root string // the product's module
	out  string
	push string // a reference in a registry
	arch string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv("SOURCE_DATE_EPOCH"), os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, errUsage): // has been said
		os.Exit(exitUsage)
	case err != nil:
		fmt.Fprintf(os.Stderr, "image: %v\n", err)
		os.Exit(exitFailed)
	}
}

// run does what the arguments say. The date stands in for the commit's, if it is not empty.
func run(ctx context.Context, args []string, date string, stdout, stderr io.Writer) error {
	verbs := map[string]func(context.Context, *options, *build.Source, io.Writer) error{
		"image": makeImage, "dist": makeDist, "rootfs": makeRootfs,
	}
	if len(args) == 0 || verbs[args[0]] == nil {
		return errors.Join(errUsage, line(stderr, "%s", usage))
	}
	o, err := parse(args[0], args[1:], stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return err
	}
	src, err := build.Find(ctx, o.root, date)
	if err != nil {
		return err
	}

	return verbs[args[0]](ctx, o, src, stdout)
}

func parse(verb string, args []string, stderr io.Writer) (*options, error) {
	o := &options{}
	fs := flag.NewFlagSet("image "+verb, flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.root, "root", filepath.Join("..", ".."), "`directory` of the enricher's module")
	switch verb {
	case "image":
		fs.StringVar(&o.out, "out", "", "`directory` for the image (default: dist/image in -root)")
		fs.StringVar(&o.push, "push", "", "`name` in a registry to push to; without a tag the version is the tag")
	case "dist":
		fs.StringVar(&o.out, "out", "", "`directory` for the archives (default: dist/release in -root)")
	default:
		fs.StringVar(&o.out, "out", "", "`directory` for the files (default: dist/rootfs in -root)")
		fs.StringVar(&o.arch, "arch", "amd64", "`architecture`, as Go calls it")
	}
	if err := fs.Parse(args); err != nil {
		return nil, errors.Join(errUsage, err)
	}
	if fs.NArg() > 0 {
		return nil, errors.Join(errUsage, line(stderr, "the verb %s takes no arguments, not %q", verb, fs.Arg(0)))
	}
	if o.out == "" {
		names := map[string]string{"image": "image", "dist": "release", "rootfs": "rootfs"}
		o.out = filepath.Join(o.root, "dist", names[verb])
	}

	return o, nil
}

// compile builds for a target, and collects the licences of what has been linked.
func compile(ctx context.Context, src *build.Source, t build.Target) (*build.Binary, []byte, error) {
	b, err := src.Compile(ctx, t)
	if err != nil {
		return nil, nil, err
	}
	dirs, err := src.ModuleDirs(ctx, b.Info)
	if err != nil {
		return nil, nil, err
	}
	goRoot, err := build.GoRoot(ctx)
	if err != nil {
		return nil, nil, err
	}
	licenses, err := files.Licenses(b.Info, dirs, goRoot)
	if err != nil {
		return nil, nil, err
	}

	return b, licenses, nil
}

package chart_test

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	kedav1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chartv2 "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	yamlutil "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

const (
	chartDir  = "../enricher"
	rootDir   = "../../.."
	release   = "demo"
	namespace = "calls"
)

var update = flag.Bool("update", false, "write anew what the tests compare with")

// loadChart reads the chart once: the tests only render it.
var loadChart = sync.OnceValues(func() (*chartv2.Chart, error) { return loader.Load(chartDir) })

// cases are the names of the values in the chart's ci folder.
func cases(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(chartDir, "ci", "*-values.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	names := make([]string, 0, len(files))
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), "-values.yaml"))
	}
	return names
}

// caseValues are the values of a case, with changes laid over them as `helm -f` does.
func caseValues(t *testing.T, name string, changes ...string) map[string]any {
	t.Helper()
	values, err := common.ReadValuesFile(filepath.Join(chartDir, "ci", name+"-values.yaml"))
	require.NoError(t, err)
	merged := values.AsMap()
	for _, text := range changes {
		var change map[string]any
		require.NoError(t, yaml.Unmarshal([]byte(text), &change), text)
		merged = overlay(merged, change)
	}
	return merged
}

// overlay merges maps and replaces all else, as Helm does with several -f.
func overlay(base, change map[string]any) map[string]any {
	out := maps.Clone(base)
	for key, value := range change {
		below, isMap := value.(map[string]any)
		there, wasMap := out[key].(map[string]any)
		if isMap && wasMap {
			value = overlay(there, below)
		}
		out[key] = value
	}
	return out
}

// render is what `helm template demo` prints, by template.
func render(values map[string]any) (map[string]string, error) {
	load := loadChart
	if *update { // its files are being written
		load = func() (*chartv2.Chart, error) { return loader.Load(chartDir) }
	}
	c, err := load()
	if err != nil {
		return nil, fmt.Errorf("load chart: %w", err)
	}
	options := common.ReleaseOptions{Name: release, Namespace: namespace, Revision: 1, IsInstall: true}
	all, err := util.ToRenderValues(c, values, options, common.DefaultCapabilities)
	if err != nil {
		return nil, fmt.Errorf("check values: %w", err)
	}
	return engine.Render(c, all)
}

// object is one rendered object, decoded into its Go type.
type object struct {
	template string
	text     string
	kind     string
	name     string
	typed    runtime.Object
}

// objects renders and decodes. Unknown fields, fields given twice and unknown kinds are errors.
func objects(t *testing.T, values map[string]any) []object {
	t.Helper()
	rendered, err := render(values)
	require.NoError(t, err)
	var all []object
	for _, template := range slices.Sorted(maps.Keys(rendered)) {
		if strings.HasSuffix(template, ".yaml") {
			all = append(all, decode(t, template, rendered[template])...)
		}
	}
	return all
}

var decoder = sync.OnceValues(func() (runtime.Decoder, error) {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, kedav1.AddToScheme, monitoringv1.AddToScheme} {
		if err := add(s); err != nil {
			return nil, fmt.Errorf("know the types: %w", err)
		}
	}
	return serializer.NewCodecFactory(s, serializer.EnableStrict).UniversalDeserializer(), nil
})

func decode(t *testing.T, template, text string) []object {
	t.Helper()
	strict, err := decoder()
	require.NoError(t, err)
	reader := yamlutil.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
	var all []object
	for {
		doc, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err, template)
		if empty(doc) {
			continue
		}
		typed, gvk, err := strict.Decode(doc, nil, nil)
		require.NoError(t, err, "%s:\n%s", template, doc)
		accessor, err := meta.Accessor(typed)
		require.NoError(t, err)
		all = append(all, object{template, string(doc), gvk.Kind, accessor.GetName(), typed})
	}
}

// empty tells whether a document is nothing but comments.
func empty(doc []byte) bool {
	for line := range bytes.Lines(doc) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' && !bytes.Equal(line, []byte("---")) {
			return false
		}
	}
	return true
}

// find is the object of a kind and name, as its Go type.
func find[T runtime.Object](t *testing.T, all []object, kind, name string) T {
	t.Helper()
	for _, o := range all {
		if o.kind == kind && o.name == name {
			return o.typed.(T)
		}
	}
	require.Failf(t, "missing object", "no %s %s", kind, name)
	panic("unreachable")
}

func has(all []object, kind, name string) bool {
	return slices.ContainsFunc(all, func(o object) bool { return o.kind == kind && o.name == name })
}

// golden compares with a file, or writes it with -update.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "run: go -C deploy/helm/test test . -update")
	require.Equal(t, string(want), got, "%s is out of date; run: go -C deploy/helm/test test . -update", file)
}

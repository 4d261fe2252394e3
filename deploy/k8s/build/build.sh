#!/usr/bin/env bash
# Builds the programs of a Kubernetes control plane, of KEDA, kwok and Helm into a directory, from the versions in the go.mod files
# beside this. Each set is a module of its own, since they do not agree on versions. It takes long the first time.
#   build.sh DIRECTORY
set -euo pipefail
out=$(mkdir -p "$1" && cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")"

build() {
  local module=$1 package=$2 name=$3
  [[ -x $out/$name ]] && return
  echo "build $name"
  CGO_ENABLED=0 go -C "$module" build -trimpath -ldflags="-s -w $version" -o "$out/$name.new" "$package"
  mv "$out/$name.new" "$out/$name"
}

# Kubernetes has its version from its own build, and Helm asks for it.
kubernetes=$(go -C kubernetes list -m -f '{{.Version}}' k8s.io/kubernetes)
IFS=. read -r major minor _ <<<"${kubernetes#v}"
package=k8s.io/component-base/version
version="-X $package.gitVersion=$kubernetes -X $package.gitMajor=$major -X $package.gitMinor=$minor"

build etcd go.etcd.io/etcd/server/v3 etcd
for name in kube-apiserver kube-controller-manager kube-scheduler kubectl; do
  build kubernetes "k8s.io/kubernetes/cmd/$name" "$name"
done
build kwok sigs.k8s.io/kwok/cmd/kwok kwok
build helm helm.sh/helm/v4/cmd/helm helm
build keda github.com/kedacore/keda/v2/cmd/operator keda-operator
build keda github.com/kedacore/keda/v2/cmd/adapter keda-adapter

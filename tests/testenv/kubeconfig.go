package testenv

import (
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Kubeconfig is the content of a kubeconfig file with the access of the given
// config. Names in it are the given name.
func Kubeconfig(config *rest.Config, name string) ([]byte, error) {
	kubeconfig := clientcmdapi.NewConfig()
	kubeconfig.Clusters[name] = &clientcmdapi.Cluster{
		Server:                   config.Host,
		CertificateAuthorityData: config.CAData,
	}
	kubeconfig.AuthInfos[name] = &clientcmdapi.AuthInfo{
		ClientCertificateData: config.CertData,
		ClientKeyData:         config.KeyData,
		Token:                 config.BearerToken,
	}
	kubeconfig.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	kubeconfig.CurrentContext = name
	content, err := clientcmd.Write(*kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("failed to write kubeconfig %s: %w", name, err)
	}
	return content, nil
}

// WriteKubeconfig writes a kubeconfig file into the control plane's folder and
// returns its path. It lasts as long as the control plane.
func (cp *ControlPlane) WriteKubeconfig(config *rest.Config, name string) (string, error) {
	content, err := Kubeconfig(config, cp.name)
	if err != nil {
		return "", err
	}
	path := filepath.Join(cp.folder, name+".kubeconfig")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return "", fmt.Errorf("failed to write kubeconfig %s: %w", name, err)
	}
	return path, nil
}

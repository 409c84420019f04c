"""pycaffe's names over netspec: `import netspec.caffe as caffe`."""

# What the recorder is made of, for the Makefile here and for any other. cuda_memory.cu is for a CUDA device.
RECORDER_SOURCES := $(wildcard $(dir $(lastword $(MAKEFILE_LIST)))*.cpp)
